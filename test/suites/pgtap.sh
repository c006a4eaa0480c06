#!/bin/bash
# test/pgtap/*.sql, each BEGIN ... ROLLBACK, in one database where the extension is installed already.
# Runs inside test/cluster.sh.
set -uo pipefail

compgen -G "test/pgtap/*.sql" >/dev/null || { echo "SKIPPED: there are no tests in this suite" && exit 0; }
psql -Xq -v ON_ERROR_STOP=1 -c "CREATE EXTENSION billing" -c "SELECT billing.install()" -c "CREATE EXTENSION pgtap" \
	>/dev/null || exit 1
pg_prove --verbose --ext .sql test/pgtap
