#!/bin/bash
# The library exports what the server calls and nothing else: a symbol of the same name in another library would win.
# < is named in SQL and not exported, > is exported and not named.

diff <(perl -0777 -ne 'print "Pg_magic_func\n_PG_init\n";
		print "$1\npg_finfo_$1\n" while /AS\s+\x27MODULE_PATHNAME\x27,\s*\x27(\w+)\x27/g' build/billing--*.sql |
		cat - <(sed -n 's/^BILLING_WORKER(\(\w*\))$/\1/p' src/*/*.c) | sort -u) \
	<(nm -D --defined-only billing.so | awk '{ print $3 }' | sort)
