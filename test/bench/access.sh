#!/bin/bash
# access.sh: what row security costs. The same queries as the tables' owner, who is exempt and names the tenant, and as a
# tenant by its token, in turns: A B A B, medians; and a token verified before, asked for again.
#
# Against the cluster that the environment names: test/cluster.sh --durable DATABASE test/bench/access.sh
#   TENANTS (200)      ROUNDS  of each comparison (11)      EACH  times a query in a round (20)
set -euo pipefail

tenants=${TENANTS:-200} rounds=${ROUNDS:-11} each=${EACH:-20}
home=$(mktemp -d "${TMPDIR:-/tmp}/billing-bench.XXXXXX")
trap 'rm -rf "$home"' EXIT

query() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }
median() { sort -g "$home/$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }

# A month as in the demo: for each tenant some lines an invoice, and usage of five meters on each day.
prepare()
{
	query "CREATE EXTENSION billing" && query "SELECT billing.install()" >/dev/null
	query "SELECT billing.ensure_partitions('2026-10-01', '2026-12-01'), billing.create_plan('pro', 'EUR')" >/dev/null
	query "SELECT billing.create_meter('m' || m, unit => 'x'), billing.add_charge('pro', 'c' || m, meter => 'm' || m, price => '{\"model\":\"unit\",\"unit\":\"1\"}') FROM generate_series(1, 5) AS m" >/dev/null
	query "SELECT billing.publish_plan('pro')" >/dev/null
	query "SELECT billing.create_account('t' || n), billing.subscribe('t' || n, plan => 'pro', starts => '2026-10-01') FROM generate_series(1, $tenants) AS n" >/dev/null
	query "SET ROLE billing_loader; INSERT INTO billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity)
		SELECT 't' || n, 'm' || 1 + e % 5, e::text, timestamptz '2026-10-01Z' + e % 31 * interval '1 day', 1 + e FROM generate_series(1, 300) AS e, generate_series(1, $tenants) AS n ORDER BY e % 31"
	query "CALL billing.run_invoices('2026-11-01', finalize => true)" 2>/dev/null
	query "VACUUM (ANALYZE)"
	query "CREATE ROLE bench_tenant LOGIN IN ROLE billing_tenant"
}

# timed FILE USER SETTING STATEMENT: appends the milliseconds of one of EACH such statements.
timed()
{
	{ printf '%s\n' "$3" "$4" '\timing on'; for ((i = 0; i < each; i++)); do echo "$4"; done; } |
		psql -XAtq -v ON_ERROR_STOP=1 -U "$2" | awk '/^Time: / { sum += $2; n++ } END { print sum / n }' >>"$home/$1"
}

# compare NAME STATEMENT: the statement names the tenant for both; without that it could not use the index as the owner.
compare()
{
	local round
	for ((round = 0; round < rounds; round++)); do
		timed "$1.owner" postgres "SET ROLE billing_owner;" "$2"
		timed "$1.tenant" bench_tenant "SET billing.token = '$(query "SELECT billing.issue_token('t7')")';" "$2"
		timed "$1.bare" bench_tenant "SET billing.token = '$(query "SELECT billing.issue_token('t7')")';" "${2/WHERE tenant_id = \'t7\' AND/WHERE}"
	done
	echo "$1: owner $(median "$1.owner") ms, tenant $(median "$1.tenant") ms, tenant without naming itself $(median "$1.bare") ms;" \
		"ratios $(ratio "$(median "$1.tenant")" "$(median "$1.owner")") and $(ratio "$(median "$1.bare")" "$(median "$1.owner")")"
}

echo "$tenants tenants, $rounds rounds, medians of the mean of $each"
prepare
compare usage "SELECT meter_id, sum(quantity), count(*) FROM billing.usage_records WHERE tenant_id = 't7' AND usage_day >= '2026-10-01' AND usage_day < '2026-11-01' GROUP BY meter_id;"
compare counts "SELECT meter_id, day, sum(quantity) FROM billing.daily_counts WHERE tenant_id = 't7' AND day >= '2026-10-01' AND day < '2026-11-01' GROUP BY meter_id, day;"
compare lines "SELECT charge_id, sum(amount_minor) FROM billing.invoice_lines WHERE tenant_id = 't7' AND invoice_date = '2026-11-01' GROUP BY charge_id;"
query "SET billing.token = '$(query "SELECT billing.issue_token('t7')")'; SELECT billing.current_tenant(); EXPLAIN (ANALYZE, TIMING OFF) SELECT billing.current_tenant() FROM generate_series(1, 1000000)" |
	sed -n 's/^Execution Time: \([0-9.]*\) ms/a verified token, asked for 1,000,000 times: \1 ms/p'
