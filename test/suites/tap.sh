#!/bin/bash
# tap.sh [FILE...]: test/tap/t/*.pl (restart, crash, dump and restore), and the short forms of test/soak/*.pl; or the files named,
# from test/tap. Each test makes its own clusters with PostgreSQL::Test::Cluster.
#
# No server runs as root, so for root this runs as postgres (or nobody), from a copy which that user can read. The tests
# find the copy in SOURCE_DIR.
set -uo pipefail

compgen -G "test/tap/t/*.pl" >/dev/null || { echo "SKIPPED: there are no tests in this suite" && exit 0; }
bin=$("${PG_CONFIG:-pg_config}" --bindir)
pgxs=$(realpath "$(dirname "$("${PG_CONFIG:-pg_config}" --pgxs)")/..")
if ! [ -e "$pgxs/test/perl/PostgreSQL/Test/Cluster.pm" ]; then
	echo "SKIPPED: no PostgreSQL::Test::Cluster in $pgxs, the TAP tests did NOT run"
	exit 0
fi
copy=$(mktemp -d "${TMPDIR:-/tmp}/billing-tap.XXXXXX")
trap 'rm -rf "$copy"' EXIT
tar --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.bc' -cf - . | tar -C "$copy" --no-same-owner -xf -
# The library with fault points, when it was built.
if [ -e build/faults/billing.so ]; then mkdir -p "$copy/build/faults" && cp build/faults/billing.so "$copy/build/faults/"; fi
user=()
if [ "$(id -u)" -eq 0 ]; then
	owner=nobody
	if id postgres >/dev/null 2>&1; then owner=postgres; fi
	chown -R "$owner" "$copy"
	user=(runuser -u "$owner" --)
fi
(
	cd "$copy/test/tap" || exit 1
	tests=("$@")
	[ $# -gt 0 ] || tests=(t/*.pl ../soak/*.pl)
	"${user[@]}" env -i LANG=C.UTF-8 HOME="$copy" PATH="$bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" \
		TMPDIR="${TMPDIR:-/tmp}" TESTDIR="$PWD" PG_REGRESS="$pgxs/test/regress/pg_regress" SOURCE_DIR="$copy" \
		${DATA:+DATA="$DATA"} ${SEED:+SEED="$SEED"} ${SOAK_SECONDS:+SOAK_SECONDS="$SOAK_SECONDS"} \
		prove --verbose -I "$pgxs/test/perl" -I lib -I ../soak/lib "${tests[@]}"
)
status=$?
cp -r "$copy/test/tap/tmp_check/log" "$SUITE_DIR" 2>/dev/null
if [ $status -ne 0 ]; then
	grep -lE 'not ok|error running SQL|died|Bail out|FATAL' "$SUITE_DIR"/log/regress_log_* | xargs -r tail -n 25
fi
exit $status
