#!/usr/bin/env python3
"""verify.py DIRECTORY: checks the invoices against the input files, the ledger, and each other.

Sums and amounts are computed here again, in integers and fractions, from the files and from the invoices' own documents.
Reads through psql as billing_auditor. Prints a line per check; ends with 1 when one fails.
"""
import csv
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from fractions import Fraction

TRACE_GPU_TIME = 185294426970  # of openb_pod_list_default: (deletion - scheduled) x num_gpu x gpu_milli
BILLED = "('finalized', 'paid', 'uncollectible')"
failures = 0


def query(sql):
    """The result rows as lists. Columns need names that differ."""
    command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", "SET ROLE billing_auditor",
               "-c", f"SELECT coalesce(json_agg(q), '[]') FROM ({sql}) AS q"]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout, parse_float=Fraction)
    return [list(row.values()) for row in answer]


def check(title, passed, figures):
    global failures
    failures += not passed
    print(f"{'PASS' if passed else 'FAIL'}  {title:<62} {figures}")


def read_csv(directory, path):
    with gzip.open(os.path.join(directory, path), "rt", newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def input_totals(directory):
    totals = dict.fromkeys(("gpu_time", "token_input", "token_output", "requests", "bytes", "covered_devices"), 0)
    for pod in read_csv(directory, "gpu_windows/openb_pod_list_default.csv.gz"):
        if pod["scheduled_time"]:
            seconds = int(pod["deletion_time"]) - int(pod["scheduled_time"])
            totals["gpu_time"] += seconds * int(pod["num_gpu"]) * int(pod["gpu_milli"])
    for trace in ("code", "conv"):
        for request in read_csv(directory, f"llm_tokens/AzureLLMInferenceTrace_{trace}.csv.gz"):
            totals["token_input"] += int(request["ContextTokens"])
            totals["token_output"] += int(request["GeneratedTokens"])
    for request in read_csv(directory, "http/elastic_apache_requests.csv.gz"):
        totals["requests"] += 1
        totals["bytes"] += int(request["bytes_out"] or 0)
    totals["covered_devices"] = sum(machines_by_day(directory).values())
    return totals


def machines_by_day(directory):
    """How many machines were seen on each day from June on: the last day of the file is 31 October."""
    seen = set()
    for row in read_csv(directory, "assets/azure_vm_observations.csv.gz"):
        day = date.fromisoformat(row["observed_at"][:10]) + (date(2026, 10, 31) - date(2024, 9, 23))
        if day >= date(2026, 6, 1):
            seen.add((day, row["lifespan"], row["region"], row["sku"], row["vm_id"]))
    return Counter(str(machine[0]) for machine in seen)


def known_totals(directory, totals):
    """What the totals are known to be: the generator's own, or the published one of the GPU trace."""
    path = os.path.join(directory, "totals.json")
    if not os.path.exists(path):
        return {**totals, "gpu_time": TRACE_GPU_TIME}
    with open(path) as file:
        return json.load(file)


def check_quantities(directory):
    totals = input_totals(directory)
    known = known_totals(directory, totals)
    billed = dict(query(f"""
        SELECT h.meter_id, sum(l.quantity)::text
          FROM billing.invoice_lines l
          JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
          JOIN billing.charges h USING (plan_id, version, charge_id)
         WHERE i.status IN {BILLED} AND NOT l.is_correction AND h.meter_id IS NOT NULL
         GROUP BY h.meter_id"""))
    for meter, total in totals.items():
        on_invoices = Fraction(billed.get(meter, 0))
        check(f"{meter} on invoices = in the input files", on_invoices == total == known[meter],
              f"{total:,}" if on_invoices == total == known[meter] else f"{on_invoices}, {total} in the files, known to be {known[meter]}")
    by_day = dict(query("SELECT day::text, sum(quantity)::bigint FROM billing.daily_counts WHERE meter_id = 'covered_devices' GROUP BY 1"))
    check("machines counted per day = in the input file", by_day == machines_by_day(directory), f"{len(by_day)} days")
    recorded, counted, aside = query("""
        SELECT (SELECT count(*) FROM billing.usage_records) AS recorded, (SELECT sum(events) FROM billing.daily_counts) AS counted,
               (SELECT count(*) FROM billing.usage_set_aside WHERE counted_in IS NULL) AS aside""")[0]
    check("every event is counted, none set aside", recorded == counted and aside == 0, f"{recorded:,} recorded, {counted:,} counted, {aside} set aside")


def check_money():
    """Five independent sums per currency, from five tables or kinds of entry."""
    rows = query(f"""
        SELECT c.currency,
               (SELECT sum(l.amount_minor) FROM billing.invoice_lines l JOIN billing.invoices i USING (invoice_date, tenant_id, invoice_id)
                 WHERE l.currency = c.currency AND i.status IN {BILLED}) AS lines,
               (SELECT sum(i.total_minor) FROM billing.invoices i WHERE i.currency = c.currency AND i.status IN {BILLED}) AS invoices,
               (SELECT sum(r.amount_minor) FROM billing.rated r WHERE r.currency = c.currency AND r.due_on <= '2026-11-01') AS rated,
               (SELECT sum(CASE 'unbilled_receivable' WHEN e.debit_account THEN e.amount_minor WHEN e.credit_account THEN -e.amount_minor END)
                  FROM billing.ledger_entries e WHERE e.currency = c.currency AND e.source = 'rated_line') AS charged,
               (SELECT sum(b.balance_minor) FROM billing.balances b WHERE b.currency = c.currency AND b.ledger_account = 'receivable') AS receivable,
               (SELECT sum(abs(b.balance_minor)) FROM billing.balances b WHERE b.currency = c.currency AND b.ledger_account = 'unbilled_receivable') AS unbilled
          FROM (SELECT DISTINCT currency FROM billing.subscriptions) AS c ORDER BY c.currency""")
    for currency, *sums, unbilled in rows:
        names = ("lines", "invoices", "rated", "charged", "receivable")
        figures = str(sums[0]) if len(set(sums)) == 1 else ", ".join(f"{n} {s}" for n, s in zip(names, sums))
        check(f"{currency}: lines = invoices = rated = ledger; receivable the same", len(set(sums)) == 1, f"{figures} minor units")
        check(f"{currency}: nothing that is due is left unbilled", unbilled == 0, f"{unbilled} minor units")
    for currency, debit, credit in query("SELECT currency, sum(debit_minor), sum(credit_minor) AS credit FROM billing.trial_balance GROUP BY 1 ORDER BY 1"):
        check(f"{currency}: debits = credits", debit == credit, f"{debit} = {credit}")


def check_numbers():
    rows = query("""
        SELECT i.legal_entity_id, n.series, count(*), count(DISTINCT i.number) AS numbers, min(split_part(i.number, '-', 3)::bigint) AS first,
               max(split_part(i.number, '-', 3)::bigint) AS last, max(n.last_number) AS counter
          FROM billing.invoices i
          JOIN billing.number_series n ON n.legal_entity_id = i.legal_entity_id AND i.number LIKE n.series || '-%'
         GROUP BY 1, 2""")
    for _, series, invoices, numbers, first, last, counter in rows:
        check(f"numbers of series {series} have no gap", first == 1 and invoices == numbers == last == counter, f"{first} to {last}")
    unnumbered = query("SELECT count(*) FROM billing.invoices WHERE number IS NULL OR status <> 'finalized'")[0][0]
    check("every invoice is finalized and numbered", unnumbered == 0 and len(rows) > 0, f"{sum(row[2] for row in rows)} invoices")


def cost(price, quantity):
    """What a quantity costs in major units, by the rules that the price document's keys name."""
    per = Fraction(price.get("per", "1"))
    if price["model"] == "flat":
        return Fraction(price["amount"])
    if price["model"] == "unit":
        return quantity * Fraction(price["unit"]) / per
    if price["model"] != "graduated":
        raise ValueError(f"no rule here for model {price['model']}")
    total, start = Fraction(0), Fraction(0)
    for tier in price["tiers"]:
        end = quantity if tier.get("up_to") is None else min(quantity, Fraction(tier["up_to"]))
        if quantity > start:
            total += (end - start) * Fraction(tier.get("unit", "0")) / per + Fraction(tier.get("flat", "0"))
        start = end
    return total


def round_half_away(amount):
    magnitude = (2 * abs(amount) + 1) // 2
    return magnitude if amount >= 0 else -magnitude


def recompute(document, exponent):
    """The texts of what is wrong on one invoice. A tier's amount is shown with at most 18 decimals, so rounded there if need be."""
    wrong = []
    for line in document["lines"]:
        exact = cost(line["price"], Fraction(line["quantity"]))
        share = Fraction(line["share"]["days"], line["share"]["of"])
        rated = round_half_away(exact * share * 10**exponent)
        amount = rated - line["billed_before_minor"]
        if (rated, amount, Fraction(line["amount"]) * 10**exponent) != (line["rated_minor"], line["amount_minor"], amount):
            wrong.append(f"{document['number']} line {line['line']}: {amount}, not {line['amount_minor']}")
        tiers = [Fraction(tier["amount"]) for tier in line["tiers"] or []]
        if 2 * abs(sum(tiers) - exact) > Fraction(len(tiers), 10**18):
            wrong.append(f"{document['number']} line {line['line']}: its tiers do not add up")
    total = sum(line["amount_minor"] for line in document["lines"])
    if not total == document["subtotal_minor"] == document["total_minor"] - document["tax_minor"]:
        wrong.append(f"{document['number']}: lines make {total}, not {document['total_minor']}")
    return wrong


def check_amounts():
    rows = query("SELECT billing.invoice_document(i.number, i.tenant_id) AS document, c.exponent"
                 " FROM billing.invoices i JOIN billing.currencies c USING (currency) ORDER BY i.number")
    wrong = [text for document, exponent in rows for text in recompute(document, exponent)]
    lines = sum(len(document["lines"]) for document, _ in rows)
    check("every amount recomputed in fractions from price and quantity", not wrong and lines > 0,
          "; ".join(wrong[:3]) or f"{lines} lines of {len(rows)} invoices")


def check_own_proofs():
    """What billing itself can prove: both functions list problems."""
    for function in ("billing.replay_count_sync()", "billing.replay_coverage()", "billing.check_integrity()"):
        problems = query(f"SELECT * FROM {function}")
        check(f"{function} finds nothing", not problems, f"{len(problems)} problems" + "".join(f"; {problem}" for problem in problems[:2]))


def main():
    check_quantities(sys.argv[1])
    check_money()
    check_numbers()
    check_amounts()
    check_own_proofs()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
