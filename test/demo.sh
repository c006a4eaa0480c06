#!/bin/bash
# demo.sh: sets up, builds, installs, and runs demo/run.sh in a throw-away cluster that has pg_cron and a durable disk.
set -euo pipefail

cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL MFLAGS
if [ -n "${DATA:-}" ]; then
	DATA=$(realpath -e "$DATA")
	export DATA
fi
test/setup.sh demo
test/install.sh
test/cluster.sh --durable --cron billing_demo demo/run.sh
