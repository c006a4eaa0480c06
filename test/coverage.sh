#!/bin/bash
# coverage.sh: which part of src/core's lines test/core runs, for each file and in all; fails under 95 % in all.
set -euo pipefail

cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL MFLAGS
least=95
out=$PWD/build/core-coverage
test/setup.sh check
rm -rf "$out"
make -s -j"$(nproc)" -C test/core MODE=coverage
for source in test/core/test_*.c; do
	program=$out/$(basename "$source" .c)
	"$program" >"$program.log" || { cat "$program.log" && exit 1; }
done
cd test/core
gcov -n "$out"/*.gcda 2>/dev/null | awk -v least=$least '
	/^File/ { file = $2; gsub(/\x27/, "", file) }
	/^Lines executed/ && file ~ /src\/core\/[a-z0-9_]+\.c$/ {
		split($2, part, /[:%]/)
		sub(/.*\//, "", file)
		printf "%-24s %6.2f %% of %5d lines\n", file, part[2], $4 | "sort"
		run += part[2] * $4 / 100
		lines += $4
		file = ""
	}
	END {
		close("sort")
		share = lines ? 100 * run / lines : 0
		printf "%-24s %6.2f %% of %5d lines\n", "src/core", share, lines
		exit share < least
	}' || { echo "coverage is under $least %" >&2 && exit 1; }
