#!/bin/bash
# The library exports what the server calls and nothing else: another library's symbol of the same name would win.
set -euo pipefail

entries=$(sed -n "s/.*AS 'MODULE_PATHNAME', '\([a-z0-9_]*\)'.*/\1/p" build/billing--*.sql | sort -u)
diff <({ echo Pg_magic_func; echo _PG_init; echo "$entries"; sed 's/^/pg_finfo_/' <<<"$entries"; } | sort) \
	<(nm -D --defined-only billing.so | awk '{ print $3 }' | sort)
