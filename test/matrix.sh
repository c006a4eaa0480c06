#!/bin/bash
# matrix.sh [SUITE...]: make check, or those suites of it, on the newer servers, each in a Debian root of its own.
#
# VERSIONS selects among "17 18". The roots are kept in MATRIX_ROOTS (~/.cache/billing-matrix) and reused; remove one to
# get newer packages. A root sees a copy of the sources and DATA, and nothing else of this machine but /dev and the
# network; its mounts and processes are in namespaces of their own and so end with it, however this script ends.
# One line a version at the end. Fails if a version failed, not if its root could not be had, unless none could.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MAKELEVEL MFLAGS PG_CONFIG
roots=${MATRIX_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/billing-matrix}
mirror=${MATRIX_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if [ -n "${DATA:-}" ]; then
	DATA=$(realpath -e "$DATA") || exit 1
fi
tried=0 failed=0 table=""

release_of()
{
	case $1 in
		17) echo trixie ;;
		18) echo sid ;;
		*) echo "matrix.sh: no Debian release is known to have PostgreSQL $1" >&2 && return 1 ;;
	esac
}

# A root appears under its name only when it is whole.
make_root()
{
	local root=$roots/$1
	[ ! -e "$root" ] || return 0
	rm -rf "$root.new"
	mkdir -p "$roots" && debootstrap --variant=minbase --keyring="$keyring" "$1" "$root.new" "$mirror" >"$root.log" 2>&1 ||
		{ tail -5 "$root.log" >&2 && return 1; }
	mv "$root.new" "$root"
}

copy_sources()
{
	local to=$roots/$1/billing
	rm -rf "$to" && mkdir -p "$to" "$roots/$1/data" &&
		tar --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.bc' --exclude='*.so' -cf - . |
		tar -C "$to" --no-same-owner -xf - &&
		cp -L /etc/resolv.conf /etc/hosts "$roots/$1/etc/"
}

# in_root RELEASE COMMAND...: from the copy of the sources, with a private /proc, shared memory and /tmp.
in_root()
{
	ROOT=$roots/$1 DATA=${DATA:-} unshare --mount --pid --ipc --fork --kill-child bash -euc '
		mount -t proc proc "$ROOT/proc"
		mount --bind /dev "$ROOT/dev"
		mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
		[ -z "$DATA" ] || mount --bind -o ro "$DATA" "$ROOT/data"
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root ${DATA:+DATA=/data} \
			${FUZZ_SECONDS:+"FUZZ_SECONDS=$FUZZ_SECONDS"} ${MUTANTS:+"MUTANTS=$MUTANTS"} ${SEED:+"SEED=$SEED"} \
			chroot "$ROOT" bash -c "cd /billing && exec \"\$@\"" bash "$@"' bash "${@:2}"
}

report()
{
	table+=$(printf 'PostgreSQL %-4s %-8s %s' "$1" "$2" "$3")$'\n'
}

check_version()
{
	local version=$1 release=$2 start=$SECONDS log=build/matrix/$1.log found status
	shift 2
	echo "== PostgreSQL $version in Debian $release"
	if ! make_root "$release" || ! copy_sources "$release"; then
		report "$version" "$release" "NOT BUILT: the root could not be made"
		return 0
	fi
	if ! in_root "$release" test/setup.sh check </dev/null; then
		report "$version" "$release" "NOT BUILT: packages are missing"
		return 0
	fi
	found=$(in_root "$release" pg_config --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
	if [ "$found" != "$version" ]; then
		report "$version" "$release" "NOT BUILT: the release has PostgreSQL $found"
		return 0
	fi
	tried=$((tried + 1))
	in_root "$release" test/check.sh "$@" </dev/null 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	[ "$status" -eq 0 ] || failed=$((failed + 1))
	report "$version" "$release" "$(tail -1 "$log"), $((SECONDS - start)) s"
}

if [ "$(id -u)" -ne 0 ]; then
	echo "matrix.sh: only root can make and enter the roots" >&2
	exit 1
fi
test/setup.sh matrix || exit 1
if [ $# -eq 0 ]; then set -- core fuzz verify regress pgtap isolation tap; fi
mkdir -p build/matrix
for version in ${VERSIONS:-17 18}; do
	release=$(release_of "$version") || exit 1
	check_version "$version" "$release" "$@"
done
printf '\n%s' "$table"
if [ $tried -eq 0 ]; then echo "no version could be built"; fi
[ $tried -gt 0 ] && [ $failed -eq 0 ]
