#!/bin/bash
# SQLSTATEs of class MB are listed once, in src/server/errors.h; everywhere else they are text, which no compiler checks.

known=$(sed -n "s/.*BILLING_SQLSTATE('\(.\)', '\(.\)', '\(.\)').*/MB\1\2\3/p" src/server/errors.h)
sort <<<"$known" | uniq -d | sed 's/$/ is in errors.h twice/'
grep -rnowIE 'MB[0-9][0-9A-Z]{2}' src sql test demo doc README.md | grep -vwF "$known"
