#!/bin/bash
# demo.sh: sets up, builds, installs, and runs demo/run.sh in a throw-away cluster that has pg_cron, a signing key and a durable
# disk; then, with the server gone, checks the evidence of one invoice.
set -euo pipefail

cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL MFLAGS
if [ -n "${DATA:-}" ]; then
	DATA=$(realpath -e "$DATA")
	export DATA
fi
test/setup.sh demo
test/install.sh
export EVIDENCE
EVIDENCE=$(mktemp -d "${TMPDIR:-/tmp}/billing-evidence.XXXXXX")
trap 'rm -rf "$EVIDENCE"' EXIT
test/cluster.sh --durable --cron --signed billing_demo demo/run.sh
demo/verify_offline.sh "$EVIDENCE"
