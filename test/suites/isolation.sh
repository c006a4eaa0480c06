#!/bin/bash
# test/isolation/specs/*.spec against expected/*.out, in one database where the extension is installed already.
# Runs inside test/cluster.sh.
set -uo pipefail

pg_config=${PG_CONFIG:-pg_config}
pg_isolation_regress=$(dirname "$("$pg_config" --pgxs)")/../test/isolation/pg_isolation_regress
shopt -s nullglob
tests=(test/isolation/specs/*.spec)
[ ${#tests[@]} -gt 0 ] || { echo "SKIPPED: there are no tests in this suite" && exit 0; }
tests=("${tests[@]##*/}")
psql -Xq -v ON_ERROR_STOP=1 -c "CREATE EXTENSION billing" -c "SELECT billing.install()" >/dev/null || exit 1
"$pg_isolation_regress" --inputdir=test/isolation --outputdir="$SUITE_DIR" --bindir="$("$pg_config" --bindir)" \
	--use-existing --dbname="$PGDATABASE" "${tests[@]%.spec}"
status=$?
[ $status -eq 0 ] || head -200 "$SUITE_DIR/regression.diffs"
exit $status
