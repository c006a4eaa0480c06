#!/bin/bash
# check.sh SUITE...: sets up what is missing, builds and installs, and runs the suites, all of them even when one fails.
# The last line is "N passed, N failed" or "N passed, N failed, N skipped".
#
# A suite is test/suites/SUITE.sh. It reports in TAP ("ok", "not ok"), in pg_regress's words, or as "NAME: N passed,
# N failed" and "SKIPPED: WHY"; the rest of its output is for people.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MAKELEVEL MFLAGS
if [ -n "${DATA:-}" ]; then
	DATA=$(realpath -e "$DATA") && export DATA || exit 1
fi
total_passed=0 total_failed=0 total_skipped=0 table="" built=""

build_once()
{
	[ -z "$built" ] || return
	built=no
	test/install.sh && built=yes
}

run_suite()
{
	if ! [[ $1 =~ ^(core|fuzz|verify)$ || $built = yes ]]; then
		echo "not run, for the build failed"
		return 1
	fi
	case $1 in
		core | fuzz | verify | tap) "test/suites/$1.sh" ;;
		pgtap) test/cluster.sh --encrypted billing_test "test/suites/$1.sh" ;;
		*) test/cluster.sh billing_test "test/suites/$1.sh" ;;
	esac
}

# Prints "passed failed skipped" of a suite's log. pg_regress prints "test name ... ok" before version 16, and TAP since.
count_results()
{
	awk '/^not ok / && !/# TODO/ { failed++; next }
		/^not ok .*# TODO/ { skipped++; next }
		/^ok .*# SKIP|^SKIPPED: / { skipped++; next }
		/^(not )?ok [0-9-]/ { passed++; next }
		/^test .*\.\.\. ok/ { passed++; next }
		/^test .*\.\.\. FAILED/ { failed++; next }
		/^[a-z_]+: [0-9]+ passed, [0-9]+ failed/ { passed += $2; failed += $4 }
		END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

# A suite that ends badly without naming a failed test (a crash, a program that did not build), or that says nothing at
# all, counts as one failure.
check_suite()
{
	local suite=$1 start=$SECONDS status passed failed skipped
	export SUITE_DIR=$PWD/build/check/$suite
	rm -rf "$SUITE_DIR" && mkdir -p "$SUITE_DIR"
	echo "== $suite"
	run_suite "$suite" </dev/null 2>&1 | tee "$SUITE_DIR/output" | grep --line-buffered -Ev '^ *ok [0-9]+|^1\.\.[0-9]+$'
	status=${PIPESTATUS[0]}
	read -r passed failed skipped < <(count_results "$SUITE_DIR/output")
	if [ $((passed + failed + skipped)) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; }; then failed=1; fi
	((total_passed += passed, total_failed += failed, total_skipped += skipped))
	table+=$(printf '%-10s %7d passed %5d failed %5d skipped %5d s' \
		"$suite" "$passed" "$failed" "$skipped" $((SECONDS - start)))$'\n'
}

if ! test/setup.sh check; then
	echo "0 passed, 1 failed"
	exit 1
fi
for suite in "$@"; do
	[[ $suite =~ ^(core|fuzz|verify)$ ]] || build_once
	check_suite "$suite"
done
printf '\n%s' "$table"
if [ $total_failed -gt 0 ]; then echo "what they printed is in build/check"; fi
echo "$total_passed passed, $total_failed failed$([ $total_skipped -eq 0 ] || echo ", $total_skipped skipped")"
[ $total_failed -eq 0 ]
