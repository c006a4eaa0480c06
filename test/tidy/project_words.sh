#!/bin/bash
# The sources stand for themselves: no path of the machine they were written on, no note on how they came to be.
set -euo pipefail

find . \( -name .git -o -path ./build -o -path ./test/tidy -o -name results \) -prune -o -type f -print0 |
	xargs -0 grep -nIiE '/work/|/tmp/spec|as requested|per the spec|the lead |another engineer|\bissue #?[0-9]|\bTODO\b|\bFIXME\b|\bXXX\b' |
	{ ! grep -v '^\./test/check\.sh:.*# TODO'; }
find . \( -name .git -o -path ./build -o -path ./test -o -path ./demo -o -path ./.ci \) -prune -o -type f \
	! -name Makefile ! -name README.md -print0 | xargs -0 grep -nIF '../shared' | { ! grep .; }
