#!/bin/bash
# cluster.sh [--durable] [--cron] [--signed] [--encrypted] DATABASE COMMAND...: runs the command against a throw-away PostgreSQL cluster.
#
# The cluster lives in its own new directory, listens on a socket in it and nowhere else, and holds the empty DATABASE.
# The command gets PGHOST, PGPORT, PGUSER and PGDATABASE. Afterwards the cluster is stopped and removed, unless KEEP=1.
#   --durable  fsync stays on     --cron  pg_cron is preloaded and runs jobs in DATABASE
#   --signed   the log of evidence has a new signing key
#   --encrypted  personal data has a new key
# Tokens are verified with a new key, whose file billing.token_key_file names.
# A server refuses to run as root, so for root it runs as postgres (or nobody), and trusts only who can enter its directory.
set -euo pipefail

durable=off cron='' signed='' encrypted=''
while [[ ${1:-} == --* ]]; do
	case $1 in
		--durable) durable=on ;;
		--cron) cron=yes ;;
		--signed) signed=yes ;;
		--encrypted) encrypted=yes ;;
		*) echo "cluster.sh: unknown option $1" >&2; exit 2 ;;
	esac
	shift
done
database=$1
shift
bin=$("${PG_CONFIG:-pg_config}" --bindir)
owner=$(id -un)
if [ "$(id -u)" -eq 0 ]; then
	if id postgres >/dev/null 2>&1; then owner=postgres; else owner=nobody; fi
fi
home=$(mktemp -d "${TMPDIR:-/tmp}/billing-cluster.XXXXXX")
started=

as_owner()
{
	if [ "$owner" = "$(id -un)" ]; then (cd "$home" && "$@"); else (cd "$home" && runuser -u "$owner" -- "$@"); fi
}

server_settings()
{
	cat <<-END
		listen_addresses = ''
		unix_socket_directories = '$home'
		port = 5432
		timezone = 'UTC'
		log_timezone = 'UTC'
		fsync = $durable
		max_prepared_transactions = 20
		shared_buffers = 256MB
		max_wal_size = 4GB
		log_line_prefix = '%m [%p] %q%u@%d '
		billing.token_key_file = '$home/token.keys'
	END
	[ -z "$cron" ] || cat <<-END
		shared_preload_libraries = 'pg_cron'
		cron.database_name = '$database'
		cron.host = '$home'
	END
	[ -z "$signed" ] || cat <<-END
		billing.log_origin = 'example.org'
		billing.signing_key_file = '$home/signing.pem'
	END
	[ -z "$encrypted" ] || cat <<-END
		billing.field_key_file = '$home/field.keys'
	END
}

start_cluster()
{
	[ "$owner" = "$(id -un)" ] || chown "$owner" "$home"
	as_owner "$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$home/initdb.log" ||
		{ cat "$home/initdb.log" >&2; return 1; }
	[ -z "$signed" ] || (umask 077 && as_owner openssl genpkey -algorithm ed25519 -out "$home/signing.pem")
	[ -z "$encrypted" ] || (umask 077 && echo "k1 $(openssl rand -base64 32)" | as_owner tee "$home/field.keys" >/dev/null)
	(umask 077 && echo "test HS256 $(openssl rand -base64 32)" | as_owner tee "$home/token.keys" >/dev/null)
	server_settings | as_owner tee -a "$home/data/postgresql.conf" >/dev/null
	as_owner "$bin/pg_ctl" -D "$home/data" -l "$home/server.log" -w -s start || { cat "$home/server.log" >&2; return 1; }
	started=yes
	export PGHOST=$home PGPORT=5432 PGUSER=postgres PGDATABASE=$database
	"$bin/createdb" --maintenance-db=postgres "$database"
}

stop_cluster()
{
	if [ -n "$started" ] && [ "${KEEP:-}" = 1 ]; then
		local run=
		[ "$owner" = "$(id -un)" ] || run="runuser -u $owner -- "
		echo "kept: connect by    psql -h $home -U postgres $database"
		echo "      and remove by ${run}$bin/pg_ctl -D $home/data stop && rm -r $home"
		return
	fi
	if [ -n "$started" ]; then
		as_owner "$bin/pg_ctl" -D "$home/data" -s -m fast stop || as_owner "$bin/pg_ctl" -D "$home/data" -s -m immediate stop
	fi
	rm -rf "$home"
}

trap stop_cluster EXIT
trap 'exit 130' INT TERM HUP
unset PGOPTIONS PGSERVICE PGPASSWORD PGPASSFILE PGSSLMODE PGHOSTADDR PGDATESTYLE PGTZ PGCLIENTENCODING PGAPPNAME
start_cluster
"$@"
