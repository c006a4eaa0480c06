#!/bin/bash
# soak.sh: what make check runs for seconds, for SOAK_SECONDS (1800 unless given), against a cluster with a durable disk and a signing key.
# SEED repeats a run's random choices. Figures are in the lines that begin with #.
set -euo pipefail

cd "$(dirname "$0")/.."
export SOAK_SECONDS=${SOAK_SECONDS:-1800}
unset MAKEFLAGS MAKELEVEL MFLAGS
test/setup.sh check
test/install.sh
for soak in test/soak/*.pl; do
	echo "== $soak"
	test/cluster.sh --durable --signed billing_soak perl "$soak"
done
