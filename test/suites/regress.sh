#!/bin/bash
# sql/*.sql against expected/*.out. Runs inside test/cluster.sh.
set -uo pipefail

pg_config=${PG_CONFIG:-pg_config}
pg_regress=$(dirname "$("$pg_config" --pgxs)")/../test/regress/pg_regress
shopt -s nullglob
tests=(sql/*.sql)
[ ${#tests[@]} -gt 0 ] || { echo "SKIPPED: there are no tests in this suite" && exit 0; }
tests=("${tests[@]##*/}")
"$pg_regress" --inputdir=. --outputdir="$SUITE_DIR" --bindir="$("$pg_config" --bindir)" --encoding=UTF8 \
	--dbname=contrib_regression --load-extension=billing "${tests[@]%.sql}"
status=$?
[ $status -eq 0 ] || head -200 "$SUITE_DIR/regression.diffs"
exit $status
