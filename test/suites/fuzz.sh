#!/bin/bash
# Each libFuzzer target for FUZZ_SECONDS, from its corpus. New inputs, logs and a crashing input stay under build/fuzz.
set -uo pipefail

if ! clang=$(test/fuzzer_clang.sh); then
	echo "SKIPPED: no clang with libFuzzer here, the fuzzers did NOT run"
	exit 0
fi
shopt -s nullglob
status=0
make -s -k -j"$(nproc)" -C test/core MODE=fuzz CC="$clang" || status=1
for source in test/core/fuzz_*.c; do
	name=$(basename "$source" .c)
	corpus=${name#fuzz_}
	out=build/fuzz/$corpus
	mkdir -p "$out" "test/core/corpus/$corpus"
	if "build/core-fuzz/$name" "$out" "test/core/corpus/$corpus" -artifact_prefix="$out-" -print_final_stats=1 \
		-timeout=10 -max_total_time="${FUZZ_SECONDS:-20}" >"$out.log" 2>&1; then
		echo "ok - $name: $(awk '/number_of_executed_units/ { print $2 }' "$out.log") inputs in ${FUZZ_SECONDS:-20} s"
	else
		echo "not ok - $name"
		tail -40 "$out.log"
		status=1
	fi
done
exit $status
