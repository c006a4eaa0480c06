#!/bin/bash
# Prints doc/reference.md. Runs inside test/cluster.sh, with the extension installed.
set -euo pipefail

psql -Xq -v ON_ERROR_STOP=1 -c "CREATE EXTENSION billing" -c "SELECT billing.install()" >/dev/null
psql -Xq -v ON_ERROR_STOP=1 -f doc/reference.sql
printf '## Errors\n\nSQLSTATEs of class MB, from src/server/errors.h.\n\n| code | meaning |\n|---|---|\n'
perl -ne '$meaning = $1 if m{^/\* (\w.*) \*/$};
	print "| MB$1$2$3 | $meaning |\n" if /BILLING_SQLSTATE\(\x27(\d)\x27, \x27(\d)\x27, \x27(\d)\x27\)/' src/server/errors.h
