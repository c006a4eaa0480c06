#!/bin/bash
# soak.sh [PROGRAM...]: the programs of test/soak, or those named, for SOAK_SECONDS in all (1800 unless given), spread by
# test/soak/weights. Each runs a short form of itself in make check. SEED repeats the random choices of a run.
#
# At the end a table of every property, its figure, its aim, whether the aim was met, the seconds it took and the seed: "so far" means that
# nothing broke it but the run was shorter than the aim asks. Fails when a program does. What they printed is in build/soak.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MAKELEVEL MFLAGS
budget=${SOAK_SECONDS:-1800}
export SEED=${SEED:-$RANDOM}
test/setup.sh soak && test/install.sh || exit 1
programs=("$@")
[ $# -gt 0 ] || for program in test/soak/*.pl; do programs+=("$(basename "$program" .pl)"); done
status=0 total=0 figures=build/soak/figures

weight() { awk -v name="$1" '$1 == name { weight = $2 } END { print weight ? weight : 60 }' test/soak/weights; }

run_program()
{
	export SUITE_DIR=$PWD/build/soak/$1 SOAK_SECONDS=$2
	rm -rf "$SUITE_DIR" && mkdir -p "$SUITE_DIR"
	echo "== $1: $SOAK_SECONDS s, seed $SEED"
	local begin=$SECONDS
	test/suites/tap.sh "../soak/$1.pl" </dev/null 2>&1 | tee "$SUITE_DIR/output" | grep --line-buffered -E '^(not ok|# |SKIPPED)'
	[ "${PIPESTATUS[0]}" -eq 0 ] || { status=1 && echo "FAILED: $1, see build/soak/$1/output"; }
	sed -n "s/^# figure: \(.*\)/\1 | $((SECONDS - begin)) | $SEED/p" "$SUITE_DIR/output" >>"$figures"
}

for program in "${programs[@]}"; do ((total += $(weight "$program"))); done
mkdir -p build/soak && echo 'property | figure | aim | met | seconds | seed' >"$figures"
for program in "${programs[@]}"; do
	run_program "$program" $((budget * $(weight "$program") / total))
done
echo
column -t -s '|' "$figures"
exit $status
