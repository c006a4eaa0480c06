#!/bin/bash
# Unit tests of src/core, without a server, under ASAN and UBSAN. Each program ends with "N passed, N failed".
set -uo pipefail

shopt -s nullglob
status=0
make -s -k -j"$(nproc)" -C test/core MODE=asan || status=1
# A locale with a decimal comma, which no number may follow; few machines have one.
if ! [ -e build/locale/de_DE.UTF-8 ]; then
	mkdir -p build/locale
	localedef -i de_DE -f UTF-8 build/locale/de_DE.UTF-8 >/dev/null 2>&1
fi
export LOCPATH=$PWD/build/locale UBSAN_OPTIONS=print_stacktrace=1
for source in test/core/test_*.c; do
	name=$(basename "$source" .c)
	"build/core-asan/$name" 2>&1 | sed "s/^[0-9]* passed, [0-9]* failed/$name: &/" || status=1
done
exit $status
