#!/bin/bash
# run.sh: a GPU and inference cloud bills its customers, from raw usage to finalized invoices, and checks itself.
#
# Wants an empty database (PGHOST, PGPORT, PGUSER, PGDATABASE) whose server has billing installed. DATA is a directory with
# gpu_windows, llm_tokens, http and assets; without it, generate.py makes one month of the same shape. Ends with 1 when a check fails.
# EVIDENCE is a directory to put one invoice's evidence into, for verify_offline.sh; the server needs a signing key for it.
# shellcheck disable=SC2317 # stage calls the functions that seem not to be called
set -euo pipefail
shopt -s inherit_errexit

if [ -n "${DATA:-}" ]; then DATA=$(realpath -e "$DATA"); fi
cd "$(dirname "$0")"
work=$(mktemp -d "${TMPDIR:-/tmp}/billing-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
export PGTZ=UTC PGOPTIONS='-c client_min_messages=warning' PGCLIENTENCODING=UTF8
stages=()

sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
headline() { printf '\n== %s\n' "$*"; }

# stage NAME COMMAND...: times the command, which prints how many rows it handled.
stage()
{
	local name=$1 start=${EPOCHREALTIME//[.,]/} rows micros
	printf '%-44s' "$name"
	rows=$("${@:2}")
	micros=$((${EPOCHREALTIME//[.,]/} - start))
	stages+=("$name $micros $rows")
	printf '%9d rows %6d.%02d s\n' "$rows" $((micros / 1000000)) $((micros / 10000 % 100))
}

print_stages()
{
	local entry name micros rows
	printf '%-44s %9s %9s %11s\n' stage seconds rows rows/s
	for entry in "${stages[@]}"; do
		rows=${entry##* } name=${entry% *}
		micros=${name##* } name=${name% *}
		printf '%-44s %5d.%03d %9d %11d\n' "$name" $((micros / 1000000)) $((micros / 1000 % 1000)) "$rows" $((rows * 1000000 / micros))
	done
}

copy_csv() { sql -c "COPY $1 FROM STDIN (FORMAT csv, HEADER)"; }

read_input()
{
	local events
	sql -f input.sql
	copy_csv demo.nodes <"$DATA/gpu_windows/openb_node_list_all_node.csv"
	zcat "$DATA/gpu_windows/openb_pod_list_default.csv.gz" | copy_csv demo.pods
	zcat "$DATA/llm_tokens/AzureLLMInferenceTrace_code.csv.gz" | copy_csv "demo.code_requests (requested_at, context_tokens, generated_tokens)"
	zcat "$DATA/llm_tokens/AzureLLMInferenceTrace_conv.csv.gz" | copy_csv "demo.conv_requests (requested_at, context_tokens, generated_tokens)"
	zcat "$DATA/http/elastic_apache_requests.csv.gz" | copy_csv demo.web_requests
	zcat "$DATA/assets/azure_vm_observations.csv.gz" | copy_csv demo.observations
	for events in allocations token_events web_events machine_days; do sql -c "REFRESH MATERIALIZED VIEW demo.$events"; done
	sql -c "COPY (SELECT tenant_id, meter_id, event_id, occurred_at, quantity FROM demo.web_events) TO STDOUT" >"$work/web_events"
	sql -c "SELECT (SELECT count(*) FROM demo.pods) + (SELECT count(*) FROM demo.token_events) / 2 + (SELECT count(*) FROM demo.web_requests) +
		(SELECT count(*) FROM demo.observations)"
}

load_allocations()
{
	local month before
	before=$(count_usage gpu_time)
	for month in $(sql -c "SELECT first_day FROM demo.months"); do sql -v month="$month" -f allocations.sql; done
	echo $(($(count_usage gpu_time) - before))
}

copy_web_events()
{
	sql -c "SET ROLE billing_loader" \
		-c "COPY billing.usage_records (tenant_id, meter_id, event_id, occurred_at, quantity) FROM STDIN" <"$work/web_events"
	wc -l <"$work/web_events"
}

cover_machines() { sql -f machines.sql && count device_coverage_ledger; }

count() { sql -c "SELECT count(*) FROM billing.$1"; }
count_usage() { count "usage_records WHERE meter_id = '$1'"; }
as_operator() { sql -o /dev/null -c "SET ROLE billing_operator" -c "$1"; }

sync_counts() { as_operator "SELECT billing.sync_counts()" && sql -c "SELECT coalesce(sum(rows_counted), 0) FROM billing.count_windows"; }
sync_coverage() { as_operator "SELECT billing.sync_coverage('2026-10-31')" && count coverage_daily_state; }
rate() { as_operator "CALL billing.run_rating('2026-11-01')" && count rated_lines; }
draft() { as_operator "CALL billing.run_invoices('2026-11-01')" && count invoices; }
finalize() { as_operator "CALL billing.run_invoices('2026-11-01', finalize => true)" && count "invoices WHERE status = 'finalized'"; }

seal() { as_operator "SELECT billing.seal()" && sql -c "SELECT tree_size FROM billing.checkpoints ORDER BY seal_no DESC LIMIT 1"; }
export_evidence()
{
	local number
	number=$(sql -c "SELECT number FROM demo.shown_invoice")
	printf %s "$(sql -c "SELECT billing.evidence('$number')")" >"$EVIDENCE/$number.json"
	sql -c "SELECT vkey FROM billing.signing_keys ORDER BY key_no DESC LIMIT 1" >"$EVIDENCE/log.vkey"
	printf '%s: %s bytes, and the key of the log\n' "$number.json" "$(wc -c <"$EVIDENCE/$number.json")"
}

# Everything once more, from the customers to the invoices; prints how many rows of usage and how many invoices came of it.
load_again()
{
	local before
	before=$(($(count usage_records) + $(count invoices)))
	sql -f customers.sql >/dev/null
	load_allocations >/dev/null
	sql -f tokens.sql >/dev/null
	copy_web_events >/dev/null 2>"$work/refused" || true
	cover_machines >/dev/null
	sync_coverage >/dev/null
	sync_counts >/dev/null
	finalize >/dev/null
	echo $(($(count usage_records) + $(count invoices) - before))
}

check_load_again()
{
	local changed
	sed -n '1s/^/COPY answers: /p' "$work/refused"
	if ! grep -q 'duplicate key value violates unique constraint' "$work/refused"; then
		echo "FAIL  a second COPY of the same file is refused as a whole"
		return 1
	fi
	echo "PASS  a second COPY of the same file is refused as a whole"
	if ! changed=$(diff "$work/before" "$work/after"); then
		printf 'FAIL  loading everything a second time changes nothing\n%s\n' "$changed"
		return 1
	fi
	printf 'PASS  %-62s %s tables, %s rows\n' "loading everything a second time changes nothing" \
		"$(wc -l <"$work/after")" "$(awk -F'|' '{ rows += $2 } END { print rows }' "$work/after")"
}

status=0
if [ -z "${DATA:-}" ]; then
	headline "Input: generated (seed ${SEED:=20261001}; the same seed gives the same month)"
	DATA=$work/data
	python3 generate.py "$DATA" "$SEED"
else
	headline "Input: $DATA"
fi

headline "From usage to finalized invoices"
stage "install the extension" sql -f extension.sql
stage "catalogue: 6 meters, 3 plans" sql -f catalogue.sql
stage "read the input" read_input
stage "200 customers" sql -f customers.sql
stage "GPU time: open, close, accrue allocations" load_allocations
stage "tokens: record_usage(), batches of 1,000" sql -f tokens.sql
stage "web requests and bytes: COPY" copy_web_events
stage "machines: register, claim, import coverage" cover_machines
stage "coverage sync: machines by day" sync_coverage
stage "count sync" sync_counts
stage "rating and posting" rate
stage "draft invoices" draft
stage "finalized invoices" finalize
stage "seal the log" seal

headline "What came out"
psql -Xq -v ON_ERROR_STOP=1 -f report.sql

headline "Checks"
python3 verify.py "$DATA" || status=1

if [ -n "${EVIDENCE:-}" ]; then
	headline "Evidence of one invoice, for its customer"
	export_evidence
fi

headline "Everything a second time"
sql -f fingerprint.sql >"$work/before"
stage "load, sync, rate and bill again: new rows" load_again
sql -f fingerprint.sql >"$work/after"
check_load_again || status=1

headline "Time"
print_stages
headline "$([ "$status" -eq 0 ] && echo "All checks passed" || echo "A check FAILED")"
exit "$status"
