#!/bin/bash
# Unit tests of src/core, without a server, under ASAN and UBSAN. Each program ends with "N passed, N failed".
set -uo pipefail

shopt -s nullglob
status=0
make -s -k -j"$(nproc)" -C test/core MODE=asan || status=1
for source in test/core/test_*.c; do
	name=$(basename "$source" .c)
	UBSAN_OPTIONS=print_stacktrace=1 "build/core-asan/$name" 2>&1 | sed "s/^[0-9]* passed, [0-9]* failed/$name: &/" || status=1
done
exit $status
