#!/bin/bash
# fuzzer_clang.sh: prints the name of a clang that has libFuzzer's runtime; fails where there is none.
# Candidates: CLANG, the plain name, and the newest with its version in the name, as PGXS brings it on Debian.
set -euo pipefail

for clang in ${CLANG:-} clang $(compgen -c clang- | grep -x 'clang-[0-9]*' | sort -rVu); do
	if command -v "$clang" >/dev/null && compgen -G "$("$clang" -print-resource-dir)/lib/*/libclang_rt.fuzzer*" >/dev/null; then
		echo "$clang"
		exit 0
	fi
done
exit 1
