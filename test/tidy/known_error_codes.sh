#!/bin/bash
# SQLSTATEs of class MB are listed once, in src/server/errors.h; SQL names them as text, which no compiler checks.
set -euo pipefail

known=$(sed -n "s/.*BILLING_SQLSTATE('\(.\)', '\(.\)', '\(.\)').*/MB\1\2\3/p" src/server/errors.h)
grep -rnoE '\bMB[0-9][0-9A-Z]{2}\b' --include='*.sql' --include='*.c' --include='*.h' --include='*.pl' --include='*.md' \
	--include='*.spec' src sql test demo doc README.md 2>/dev/null | { ! grep -vwF "$known"; }
test "$(sort <<<"$known" | uniq -d)" = ""
