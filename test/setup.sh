#!/bin/bash
# setup.sh [check|demo|lint|soak|matrix]: installs what is missing for that job, and only that.
#
# Each need is a probe for the thing itself, not for a package, so that a PostgreSQL from another source counts too.
# On a system without apt it says what to install and fails only when something necessary is missing.
set -euo pipefail

job=${1:-check}
oldest=15
pg_config=${PG_CONFIG:-pg_config}
needed=() wanted=() needed_packages=() wanted_packages=()
updated=""
no_cluster=/etc/postgresql-common/createcluster.d/billing-setup.conf

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt_get()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null
}

update_once()
{
	[ -n "$updated" ] || apt_get update
	updated=yes
}

# need|want WHAT PACKAGES PROBE...: without what is needed the job fails; without what is wanted a part is skipped.
need()
{
	local packages
	"${@:3}" >/dev/null 2>&1 || { needed+=("$1") && read -ra packages <<<"$2" && needed_packages+=("${packages[@]}"); }
}

want()
{
	local packages
	"${@:3}" >/dev/null 2>&1 || { wanted+=("$1") && read -ra packages <<<"$2" && wanted_packages+=("${packages[@]}"); }
}

have() { command -v "$1"; }
includes() { echo "#include <$1>" | gcc -E -; }
from_pg_config() { test -e "$("$pg_config" "$1")$2"; }

# The major version to build against: the one PG_CONFIG builds for, else the newest server here, else apt's newest.
server_version()
{
	local found
	if found=$("$pg_config" --pgxs 2>/dev/null) && [ -e "$found" ]; then
		"$pg_config" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/'
		return
	fi
	found=$(compgen -G '/usr/lib/postgresql/*/bin/postgres' | cut -d/ -f5 | sort -n | tail -1) || true
	if [ "${found:-0}" -lt "$oldest" ] && have apt-cache >/dev/null; then
		found=$(apt-cache pkgnames postgresql-server-dev- | grep -o '[0-9]*$' | sort -n | tail -1)
	fi
	echo "${found:-0}"
}

list_needs()
{
	local version=$1
	if [ "$job" = matrix ]; then
		need "debootstrap" debootstrap have debootstrap
		need "Debian's keys" debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
		need "unshare" util-linux have unshare
		return
	fi
	need "a C compiler" "gcc libc6-dev" includes stdio.h
	need "make" make have make
	need "perl with prove" perl have prove
	need "OpenSSL's headers" libssl-dev includes openssl/evp.h
	need "the PostgreSQL server" "postgresql-$version" from_pg_config --bindir /postgres
	need "PostgreSQL's build files (PGXS)" "postgresql-server-dev-$version" from_pg_config --pgxs ""
	case $job in
		demo)
			need "pg_cron" "postgresql-$version-cron" from_pg_config --sharedir /extension/pg_cron.control
			need "python3" python3 have python3 ;;
		check | soak)
			need "pg_cron" "postgresql-$version-cron" from_pg_config --sharedir /extension/pg_cron.control
			need "pgTAP" "postgresql-$version-pgtap" from_pg_config --sharedir /extension/pgtap.control
			need "pg_prove" libtap-parser-sourcehandler-pgtap-perl have pg_prove
			need "Perl's IPC::Run" libipc-run-perl perl -MIPC::Run -e 1
			need "python3" python3 have python3
			need "the openssl command" openssl have openssl
			want "locales to test with" locales test -e /usr/share/i18n/locales/de_DE
			want "clang with libFuzzer" "clang libclang-rt-dev" "${0%/*}/fuzzer_clang.sh"
			[ "$job" = check ] || want "sqlsmith" sqlsmith have sqlsmith ;;
		lint)
			need "clang-format 14" clang-format-14 have clang-format-14
			need "clang-tidy 14" clang-tidy-14 have clang-tidy-14
			need "cppcheck" cppcheck have cppcheck
			need "shellcheck" shellcheck have shellcheck
			need "universal-ctags" universal-ctags have ctags-universal
			need "Perl's IPC::Run" libipc-run-perl perl -MIPC::Run -e 1 ;;
	esac
}

# Debian's server package makes and starts a cluster when installed; a build machine must not get one.
install_packages()
{
	local package packages=("${needed_packages[@]}")
	for package in "${wanted_packages[@]}"; do
		if apt-cache show "$package" >/dev/null 2>&1; then packages+=("$package"); fi
	done
	echo "setup: installing ${packages[*]}"
	trap 'as_root rm -f "$no_cluster"' EXIT
	as_root mkdir -p "${no_cluster%/*}"
	echo "create_main_cluster = false" | as_root tee "$no_cluster" >/dev/null
	apt_get install -y --no-install-recommends "${packages[@]}" >/dev/null ||
		{ update_once && apt_get install -y --no-install-recommends "${packages[@]}" >/dev/null; }
}

report_missing()
{
	echo "setup: missing here: $(printf '%s, ' "${needed[@]}" "${wanted[@]}" | sed 's/, $//')"
	echo "setup: on Debian or Ubuntu: apt-get install ${needed_packages[*]} ${wanted_packages[*]}"
}

survey()
{
	needed=() wanted=() needed_packages=() wanted_packages=()
	list_needs "$1"
}

version=$oldest
[ "$job" = matrix ] || version=$(server_version)
if [ "$version" -eq 0 ] && have apt-get >/dev/null; then
	update_once
	version=$(server_version)
fi
if [ "$version" -lt "$oldest" ]; then
	echo "setup: PostgreSQL $oldest or newer is needed; ${PG_CONFIG:-pg_config} finds ${version/#0/none}" >&2
	[ "$version" -eq 0 ] || exit 1
	version=$oldest
fi
survey "$version"
if [ ${#needed[@]} -gt 0 ] || [ ${#wanted[@]} -gt 0 ]; then
	if have apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || have sudo >/dev/null; }; then
		install_packages || true
		hash -r
		survey "$version"
	fi
	if [ ${#needed[@]} -gt 0 ]; then
		report_missing >&2
		exit 1
	fi
	if [ ${#wanted[@]} -gt 0 ]; then report_missing; fi
fi
