#!/bin/bash
# The sources stand for themselves: no path of the machine they were written on, no note on how they came to be.

files() { find . \( -name .git -o -path ./build -o -path ./test/tidy \) -prune -o -type f "$@" -print0; }

files | xargs -0 grep -nIiE '(^|[^[:alnum:]./])/(home|root|work|srv|tmp)/[[:alnum:]]|as requested|per the spec|\bissue #?[0-9]'
files | xargs -0 grep -nIE '\b(FIXME|XXX|HACK)\b|\bTODO:'
files ! -path './test/*' ! -path './demo/*' ! -path './.ci/*' ! -name Makefile ! -name README.md |
	xargs -0 grep -nIF '../shared'
