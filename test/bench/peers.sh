#!/bin/bash
# peers.sh: the same transfers through billing.post_entry() and through pgledger (github.com/pgr0ss/pgledger), by pgbench, in turns:
# A B A B, medians, ratio. Nothing of pgledger is here: the user gives a checkout, and its published SQL is loaded into a database of its own.
#
#   peers.sh SRC            makes a cluster, and runs itself in it
#   CLIENTS (1 8)           ROUNDS  of each comparison (5)          SECONDS_EACH  of each pgbench (3)
#
# A transfer moves 1.00 EUR from a customer's receivable to its cash. Each runs in a database of its own, with commits that wait for the disk. What
# differs beside the code: pgledger keeps each account's balance in its row, and two entries with the balance after each; billing has one entry
# and no balance row, reads a balance as a snapshot and what came after it, and the entry is to be sealed (an index more).
set -euo pipefail

src=${1:-}
if [ -z "$src" ] || ! [ -f "$src/pgledger.sql" ]; then
	echo "bench-peers needs a checkout of pgledger: git clone https://github.com/pgr0ss/pgledger, then make bench-peers SRC=pgledger" >&2
	[ -z "$src" ] || echo "There is no file pgledger.sql in \"$src\"." >&2
	exit 2
fi
if [ -z "${PEERS_INSIDE:-}" ]; then
	PEERS_INSIDE=1 exec "$(dirname "$0")/../cluster.sh" --durable billing_bench "$0" "$(realpath "$src")"
fi

rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-3} customers=100
home=$(mktemp -d "${TMPDIR:-/tmp}/billing-bench.XXXXXX")
trap 'rm -rf "$home"' EXIT

query() { psql -XAtq -v ON_ERROR_STOP=1 -c "$2" "$1"; }
median() { sort -g "$home/$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

prepare_ours()
{
	local n
	createdb ours
	query ours "CREATE EXTENSION billing" && query ours "SELECT billing.install()" >/dev/null
	query ours "SELECT billing.create_account('c' || n) FROM generate_series(1, $customers) AS n" >/dev/null
	for ((n = 1; n <= customers; n++)); do
		echo "SELECT billing.post_entry('c$n', 'payment', 100, 'EUR');" >"$home/ours.$n"
	done
}

prepare_peer()
{
	local file n from to
	createdb peer
	while read -r file; do
		psql -Xq -v ON_ERROR_STOP=1 -f "$file" peer >/dev/null
	done < <(find "$src/vendor" -name '*.sql' 2>/dev/null | sort; echo "$src/pgledger.sql")
	for ((n = 1; n <= customers; n++)); do
		from=$(query peer "SELECT id FROM pgledger_create_account('receivable $n', 'EUR')")
		to=$(query peer "SELECT id FROM pgledger_create_account('cash $n', 'EUR')")
		echo "SELECT * FROM pgledger_create_transfer('$from', '$to', 1.00);" >"$home/peer.$n"
	done
}

# transfers SIDE CLIENTS SCRIPT...: appends transactions a second to a file, and says how many there were.
transfers()
{
	local side=$1 clients=$2 scripts=()
	shift 2
	for script in "$@"; do scripts+=(-f "$script"); done
	pgbench -n -c "$clients" -j 2 -T "$seconds" "${scripts[@]}" "$side" >"$home/out" 2>"$home/error" || { cat "$home/error" >&2; exit 1; }
	sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$home/out" >>"$home/$side.tps"
	sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$home/out" >>"$home/$side.count"
}

# compare NAME CLIENTS CUSTOMERS
compare()
{
	local round side n scripts
	rm -f "$home"/*.tps
	for ((round = 0; round < rounds; round++)); do
		for side in peer ours; do
			scripts=()
			for ((n = 1; n <= $3; n++)); do scripts+=("$home/$side.$n"); done
			transfers "$side" "$2" "${scripts[@]}"
		done
	done
	printf '%-26s %7s %12.0f %12.0f %7.2f\n' "$1" "$2" "$(median peer.tps)" "$(median ours.tps)" "$(awk "BEGIN { print $(median ours.tps) / $(median peer.tps) }")"
}

# Both must have done what they were asked for: every transfer is there, and the balances are their sums.
check()
{
	local ours peer
	ours=$(query ours "SELECT format('%s %s', count(*), (SELECT sum(billing.balance('c' || n, 'EUR', 'cash')) FROM generate_series(1, $customers) AS n)) FROM billing.ledger_entries")
	peer=$(query peer "SELECT format('%s %s', (SELECT count(*) FROM pgledger_transfers_view), (sum(balance) * 100)::bigint) FROM pgledger_accounts_view WHERE name LIKE 'cash %'")
	[ "$ours" = "$(awk '{ n += $1 } END { print n, 100 * n }' "$home/ours.count")" ] || { echo "ours has $ours transfers and minor units" >&2; exit 1; }
	[ "$peer" = "$(awk '{ n += $1 } END { print n, 100 * n }' "$home/peer.count")" ] || { echo "pgledger has $peer transfers and minor units" >&2; exit 1; }
	echo "checked: $ours transfers and minor units here, $peer there"
}

echo "machine: $(nproc) x $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1 /proc/loadavg); $(query postgres 'SELECT version()')"
echo "pgledger: $(git -C "$src" log -1 --format='%h of %cs' 2>/dev/null || echo 'of unknown version'); $rounds rounds of $seconds s, medians of transfers a second"
prepare_ours
prepare_peer
printf '%-26s %7s %12s %12s %7s\n' transfers clients pgledger billing ratio
for clients in ${CLIENTS:-1 8}; do
	compare 'one hot customer' "$clients" 1
	compare "$customers customers" "$clients" "$customers"
done
check
