#!/bin/bash
# evidence.sh: what the log of evidence costs, each stage beside its floor, in one run: A B A B, medians.
#
# Against the cluster that the environment names: test/cluster.sh --durable --signed DATABASE test/bench/evidence.sh [OUT.json]
# OUT.json gets the seal as a stage for bench.py.
#   ROWS    entries of one seal (1000000)      ROUNDS  of each comparison (5)      SECONDS_EACH  of each pgbench (4)
set -euo pipefail

out=${1:-}
rows=${ROWS:-1000000} rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-4}
home=$(mktemp -d "${TMPDIR:-/tmp}/billing-bench.XXXXXX")
trap 'rm -rf "$home"' EXIT

query() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1" "${2:-$PGDATABASE}"; }
median() { sort -g "$home/$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }

# Milliseconds of processor time of the server's processes that have ended.
used() { awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($14 + $15) * 1000 / tick }' "/proc/$postmaster/stat"; }

# timed FILE STATEMENT [SETTING]: appends the milliseconds of the statement to the file, and those of processor time, its session's and
# its parallel workers', to FILE.cpu.
timed()
{
	local before
	sleep 0.2 # for the sessions before to end
	before=$(used)
	psql -XAtq -v ON_ERROR_STOP=1 -c "${3:-SET work_mem = '64MB'}" -c '\timing on' -c "$2" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -1 >>"$home/$1"
	sleep 0.2
	awk "BEGIN { print $(used) - $before }" >>"$home/$1.cpu"
}

# posted FILE DATABASE SCRIPT: appends the milliseconds of one transaction of the script.
posted()
{
	pgbench -n -c 1 -T "$seconds" -f "$3" "$2" 2>/dev/null | sed -n 's/^latency average = \([0-9.]*\) ms/\1/p' >>"$home/$1"
}

print_machine()
{
	echo "machine: $(nproc) x $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(awk '/MemTotal/ { print int($2 / 1048576) }' /proc/meminfo) GiB, $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg)"
	query "SELECT 'server: ' || version() UNION ALL
		SELECT 'settings: ' || string_agg(name || ' = ' || current_setting(name), ', ') FROM pg_settings
		 WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'max_parallel_workers_per_gather', 'max_parallel_maintenance_workers')"
	echo "$rows entries a seal, $rounds rounds, medians"
}

prepare()
{
	query "CREATE EXTENSION billing" && query "SELECT billing.install()" >/dev/null
	query "SELECT billing.ensure_partitions('2026-01-01', (date '2026-01-01' + 2 * $rounds * interval '1 month')::date);
		SELECT billing.create_account('t' || n) FROM generate_series(1, 100) AS n" >/dev/null
	query "SELECT billing.seal()" >/dev/null
	postmaster=$(head -1 "$(query 'SHOW data_directory')/postmaster.pid")
}

# One month of entries in one transaction, in the order of the keys, as rating writes them.
load_month()
{
	query "INSERT INTO billing.ledger_entries (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account, amount_minor, currency, source, source_id)
		SELECT day, tenant, id, 'main', 'payment', 'cash', 'receivable', n, 'EUR', 'hand', '00000000-0000-0000-0000-000000000001'
		  FROM (SELECT (date '2026-01-01' + $1 * interval '1 month')::date + n % 28 AS day, 't' || 1 + n % 100 AS tenant, gen_random_uuid() AS id, n
		          FROM generate_series(1, $rows) AS n ORDER BY 1, 2, 3) AS e"
	query "VACUUM (ANALYZE) billing.ledger_entries" && query CHECKPOINT
}

# prove_some ENTRIES WHAT: some of the entries (a table and what follows it), each proved in its own call.
prove_some()
{
	local key
	query "SELECT posted_on || ''',''' || tenant_id || ''',''' || entry_id FROM billing.ledger_entries $1 ORDER BY random() LIMIT 100" >"$home/keys"
	{ printf '%s\n' '\timing on'; while read -r key; do echo "SELECT length(billing.prove_inclusion('ledger_entry', '$key'));"; done <"$home/keys"; } |
		psql -XAtq | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' >"$home/prove"
	echo "one inclusion proof $2at $(query 'SELECT max(tree_size) FROM billing.checkpoints') leaves: $(median prove) ms (median of $(wc -l <"$home/prove"), slowest $(sort -g "$home/prove" | tail -1) ms)"
}

# One month in each of two ways: as the server is set, and everything in one process.
bench_seal()
{
	local round month way setting
	for ((round = 0; round < rounds; round++)); do
		for way in many one; do
			month=$((2 * round)) setting="SET work_mem = '64MB'"
			[ "$way" = many ] || month=$((month + 1)) setting='SET max_parallel_workers_per_gather = 0; SET max_parallel_maintenance_workers = 0'
			load_month "$month"
			query "SELECT count(*), sum(amount_minor) FROM billing.ledger_entries WHERE $(month_of "$month")" >/dev/null
			timed "scan_$way" "SELECT count(*), sum(amount_minor) FROM billing.ledger_entries WHERE $(month_of "$month")" "$setting"
			timed "seal_$way" "SELECT tree_size FROM billing.seal()" "$setting"
			[ "$month" -ne 0 ] || prove_some "$anywhere" ''
		done
	done
	print_seal many 'processes as the server is set'
	print_seal one 'in one process'
	prove_some "$anywhere" ''
}

# A block of 256 leaves has then rows of a hundred seals.
bench_small_seals()
{
	local seal
	query "SELECT billing.create_account('small')" >/dev/null
	for ((seal = 0; seal < 200; seal++)); do
		echo "SELECT billing.post_entry('small', 'payment', 100, 'EUR'); SELECT billing.seal();"
	done | psql -XAtq -v ON_ERROR_STOP=1 >/dev/null
	prove_some "WHERE tenant_id = 'small'" 'of small seals '
}

month_of() { echo "posted_on >= date '2026-01-01' + $1 * interval '1 month' AND posted_on < date '2026-01-01' + $(($1 + 1)) * interval '1 month'"; }

print_seal()
{
	echo "$2: seal $(median "seal_$1") ms, count(*), sum(amount_minor) $(median "scan_$1") ms: $(ratio "$(median "seal_$1")" "$(median "scan_$1")")" \
		"(seals: $(paste -sd' ' "$home/seal_$1"); scans: $(paste -sd' ' "$home/scan_$1"))"
	echo "  processor time: seal $(median "seal_$1.cpu") ms, scan $(median "scan_$1.cpu") ms: $(ratio "$(median "seal_$1.cpu")" "$(median "scan_$1.cpu")")"
}

# One entry a transaction, in two copies of a database: with the index that the log needs, and without it (the bare rows also
# without the column).
bench_posting()
{
	local round call with without
	query "CREATE DATABASE billing_with" && query "CREATE EXTENSION billing" billing_with
	query "SELECT billing.install()" billing_with >/dev/null
	query "SELECT billing.create_account('t1')" billing_with >/dev/null
	query "CREATE TABLE public.bare (LIKE billing.ledger_entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (posted_on, tenant_id, entry_id));
		CREATE INDEX ON public.bare (tenant_id, account_id, currency, log_xid);
		CREATE INDEX bare_log ON public.bare (log_xid, posted_on, tenant_id, entry_id)" billing_with
	query "CREATE DATABASE billing_without TEMPLATE billing_with"
	query "DROP INDEX billing.ledger_entries_log; ALTER TABLE public.bare DROP COLUMN log_xid; CREATE INDEX ON public.bare (tenant_id, account_id, currency)" billing_without
	echo "SELECT billing.post_entry('t1', 'payment', 100, 'EUR');" >"$home/post.sql"
	echo "INSERT INTO public.bare (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account, amount_minor, currency, source, source_id)
		VALUES ('2026-01-01', 't1', gen_random_uuid(), 'main', 'payment', 'cash', 'receivable', 100, 'EUR', 'hand', '00000000-0000-0000-0000-000000000001');" | tr -d '\n' >"$home/insert.sql"
	{ echo 'SET synchronous_commit = off;'; cat "$home/insert.sql"; } >"$home/insert_async.sql"
	for call in post insert insert_async; do
		for ((round = 0; round < rounds; round++)); do
			posted "${call}_without" billing_without "$home/$call.sql"
			posted "${call}_with" billing_with "$home/$call.sql"
		done
		with=$(median "${call}_with") without=$(median "${call}_without")
		echo "one entry, $call: $with ms with what the log needs, $without ms without: $(ratio "$with" "$without")"
	done
}

write_stage()
{
	printf '[{"stage": "sealing entries", "floor": "count(*), sum() of them", "aim": 6, "unit": "ms", "results": [{"rows": %s, "floor": %s, "ours": %s, "ratio": %s, "runs": {"floor": [%s], "ours": [%s]}}]}]\n' \
		"$rows" "$(median scan_many)" "$(median seal_many)" "$(ratio "$(median seal_many)" "$(median scan_many)")" \
		"$(paste -sd, "$home/scan_many")" "$(paste -sd, "$home/seal_many")" >"$out"
}

anywhere='TABLESAMPLE system (0.05)'
print_machine
prepare
bench_seal
bench_small_seals
[ -z "$out" ] || write_stage
bench_posting
