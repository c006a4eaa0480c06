#!/usr/bin/python3
"""workload.py SECONDS SEED [STEPS] [WORKERS]: random sequences of the public calls, each answer and everything that is stored compared with a model
(world.py) after every step. Each sequence has a database of its own and a seed of its own:
workload.py 0 SEED runs that one again. WORKERS sequences run at once. A sequence that fails is made shorter, as long as it still fails, and printed as SQL.

The server is named by the environment. Prints "not ok" lines and, last, "figure: sequences steps refused invoices failures".
"""
import concurrent.futures
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from fractions import Fraction

import steps
from world import Refused, World

TEMPLATE = "model_template"
MARK = "-- end of answer --"
# Everything that is stored and that the model knows, as one JSON document.
STATE = """
SELECT jsonb_build_object(
 'subscriptions', (SELECT jsonb_agg(jsonb_build_array(subscription_id, starts, ends, trial_ends)) FROM billing.subscriptions),
 'phases', (SELECT jsonb_agg(jsonb_build_array(subscription_id, starts, ends, plan_id, version, is_trial)) FROM billing.subscription_phases),
 'usage', (SELECT count(*) FROM billing.usage_records),
 'counted', (SELECT coalesce(sum(rows_counted), 0) FROM billing.count_windows),
 'counts', (SELECT jsonb_agg(jsonb_build_array(day, tenant_id, account_id, meter_id, dimensions, quantity::text)) FROM billing.daily_counts),
 'rated', (SELECT jsonb_agg(jsonb_build_array(subscription_id, plan_id, version, charge_id, period_start, revision, period_end, due_on, share_days, share_of_days,
                                              quantity::text, amount_minor, rated_on)) FROM billing.rated),
 'invoices', (SELECT jsonb_agg(jsonb_build_array(i.tenant_id, i.account_id, i.currency, i.invoice_date, i.attempt, i.status, i.number, i.total_minor, i.period_start, i.period_end,
       (SELECT jsonb_agg(jsonb_build_array(l.subscription_id, l.plan_id, l.version, l.charge_id, l.period_start, l.rated_minor, l.billed_minor, l.amount_minor, l.quantity::text, l.is_correction) ORDER BY l.line_no)
          FROM billing.invoice_lines l WHERE (l.invoice_date, l.tenant_id, l.invoice_id) = (i.invoice_date, i.tenant_id, i.invoice_id)))) FROM billing.invoices i),
 'balances', (SELECT jsonb_agg(jsonb_build_array(tenant_id, account_id, currency, ledger_account, debit_minor, credit_minor)) FROM billing.balances)
)"""


class Psql:
    """One session: run() gives (SQLSTATE, what was printed)."""

    def __init__(self, database):
        self.process = subprocess.Popen(["psql", "-XAtq", "-d", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.run("SET client_min_messages = error; SET timezone = 'UTC'; SET jit = off")

    def run(self, sql):
        self.process.stdin.write(f"{sql};\n\\echo '{MARK}' :SQLSTATE\n")
        self.process.stdin.flush()
        printed = []
        for line in self.process.stdout:
            if line.startswith(MARK):
                return line.split()[-1], "\n".join(printed)
            printed.append(line.rstrip("\n"))
        raise ConnectionError("the session ended: " + "\n".join(printed))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def number(fraction):
    return str(Fraction(fraction))


def rows(found):
    return sorted(json.dumps(row, sort_keys=True) for row in found or [])


def invoice_row(i, uuids):
    lines = [[uuids[n["key"][0]], *n["key"][1:4], str(n["key"][4]), n["rated"], n["billed"], n["amount"], number(n["quantity"]), n["correction"]] for n in i["lines"]]
    return [*i["group"], str(i["date"]), i["attempt"], i["status"], i["number"], i["total"], str(i["period"][0]), str(i["period"][1]), lines]


def model_state(world):
    def day(d):
        return None if d is None else str(d)

    subs = world.subscriptions.values()
    uuids = {s.name: s.uuid for s in subs}
    return {
        "subscriptions": [[s.uuid, day(s.starts), day(s.ends), day(s.trial_ends)] for s in subs],
        "phases": [[s.uuid, day(p[0]), day(p[1]), *p[2:]] for s in subs for p in s.phases],
        "usage": len(world.usage),
        "counted": world.counted_rows,
        "counts": [[str(k[0]), *k[1:4], dict(k[4]), number(v[0])] for k, v in world.daily_counts().items()],
        "rated": [[uuids[k[0]], *k[1:4], str(k[4]), n["revision"], str(n["item"]["period_end"]), str(n["item"]["due_on"]), *n["item"]["share"], number(n["item"]["quantity"]),
                   n["item"]["amount"], str(n["rated_on"])] for k, n in world.rated.items()],
        "invoices": [invoice_row(i, uuids) for i in world.invoices],
        "balances": [[*k, *v] for k, v in world.balances.items()],
    }


def server_state(psql):
    state, printed = psql.run(STATE)
    if state != "00000":
        raise AssertionError(printed)
    found = json.loads(printed)
    for row in found["counts"] or []:
        row[5] = number(row[5])
    for row in found["rated"] or []:
        row[10] = number(row[10])
    for row in found["invoices"] or []:
        for line in row[10] or []:
            line[8] = number(line[8])
    return found


def difference(world, psql):
    """What the server has and the model not, and the other way round; '' when nothing."""
    theirs, ours, told = server_state(psql), model_state(world), []
    for what, expected in ours.items():
        found = theirs[what]
        if isinstance(expected, list):
            found, expected = rows(found), rows(expected)
            told += [f"{what}: only stored {row}" for row in found if row not in expected][:5] + [f"{what}: only expected {row}" for row in expected if row not in found][:5]
        elif found != expected:
            told.append(f"{what}: stored {found}, expected {expected}")
    return "\n".join(told)


class Sequence:
    """Runs steps against a new database and a new model. What was run is in `done`, so that it can be run again in part."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["createdb", "-T", TEMPLATE, name], check=True)
        self.psql, self.world = Psql(name), World()
        self.done, self.sql, self.refused = [], [], 0

    def run(self, step):
        """'' or what is wrong. A step that no longer makes sense, for what it needs was left out, is skipped."""
        plan = steps.plan(self.world, step)
        if plan is None:
            return ""
        sql, apply, check = plan
        self.done.append(step)
        try:
            expected, value = "00000", apply()
        except Refused as refused:
            expected, value = refused.code, None
        if callable(sql):
            sql = sql()
        self.sql.append(f"{sql}; -- {expected}")
        state, printed = self.psql.run(sql)
        if state != expected:
            return f"answered {state} and not {expected}: {printed}"
        self.refused += state != "00000"
        wrong = check(printed, value) if state == "00000" and check else ""
        return wrong or difference(self.world, self.psql)

    def drop(self):
        self.psql.close()
        subprocess.run(["dropdb", self.name], check=True)


def make_template():
    subprocess.run(["dropdb", "--if-exists", TEMPLATE], check=True)
    subprocess.run(["createdb", TEMPLATE], check=True)
    psql = Psql(TEMPLATE)
    for sql in steps.SETUP:
        state, printed = psql.run(sql)
        assert state == "00000", printed
    psql.close()


def end_checks(psql):
    for query in ("SELECT * FROM billing.check_integrity()", "SELECT * FROM billing.replay_count_sync()", "SELECT seal_no, problem FROM billing.verify_log()"):
        state, printed = psql.run(query)
        if state != "00000" or printed:
            return f"{query}: {printed}"
    return ""


def run_steps(some, name):
    """Runs given steps; (what is wrong, the sequence), the sequence still there."""
    sequence = Sequence(name)
    for step in some:
        wrong = sequence.run(step)
        if wrong:
            return wrong, sequence
    return end_checks(sequence.psql), sequence


def kind(wrong):
    """What kind of failure it is, so that a shorter sequence is one that fails alike."""
    return wrong.split(":")[0].split(" (")[0]


def shrink(failing, wrong, seconds):
    """Leaves out steps, halves first, while it still fails in the same way."""
    end, size = time.time() + seconds, len(failing) // 2
    while size >= 1 and time.time() < end:
        start = 0
        while start < len(failing) - 1 and time.time() < end:
            shorter = failing[:start] + failing[min(start + size, len(failing) - 1):]
            again, sequence = run_steps(shorter, f"shrink_{os.getpid()}")
            done = sequence.done
            sequence.drop()
            if again and kind(again) == kind(wrong):
                failing, wrong = done, again
            else:
                start += size
        size //= 2
    return failing


def report(seed, number_of_steps, wrong, sequence):
    """The text of a failure."""
    told = f"not ok - seed {seed}: step {len(sequence.done)}: {wrong}\n"
    failing = shrink(sequence.done, wrong, float(os.environ.get("SHRINK_SECONDS", 60)))
    again, shorter = run_steps(failing, f"shrink_{os.getpid()}")
    told += f"# {len(failing)} of {len(sequence.done)} steps still fail; workload.py 0 {seed} {number_of_steps} repeats all\n" + "\n".join(shorter.sql) + f"\n# {again}"
    shorter.drop()
    return told


def run_seed(seed, number_of_steps):
    """One sequence; ((1, steps done, refused, invoices, failed), what is to be told)."""
    rng = random.Random(seed)
    chooser, sequence, wrong = steps.Chooser(rng), Sequence(f"sequence_{os.getpid()}"), ""
    while not wrong and len(sequence.done) < number_of_steps:
        wrong = sequence.run(chooser.next(sequence.world))
    wrong = wrong or end_checks(sequence.psql)
    counts = 1, len(sequence.done), sequence.refused, len(sequence.world.invoices), bool(wrong)
    told = report(seed, number_of_steps, wrong, sequence) if wrong else ""
    sequence.drop()
    return counts, told


def run_seeds(seconds, seed, number_of_steps, workers):
    """Sequences of one seed after the other, so many at once, until the time is over or one failed; the sums of their counts."""
    end, totals, running = time.time() + seconds, [0, 0, 0, 0, 0], set()
    with concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        while True:
            while len(running) < workers and seed is not None and (not totals[0] or time.time() < end):
                running.add(pool.submit(run_seed, seed, number_of_steps))
                seed = seed + 1 if seconds else None
            if not running:
                return totals
            ended, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for counts, told in (future.result() for future in ended):
                totals = [t + n for t, n in zip(totals, counts)]
                if told:
                    print(told, flush=True)
            if totals[4] and not os.environ.get("GO_ON"):
                seed = None


def main():
    given = [int(argument) for argument in sys.argv[2:]]
    seed, number_of_steps, workers = given + [None, 120, 1][len(given):]
    make_template()
    print("figure:", *run_seeds(float(sys.argv[1]), seed, number_of_steps, workers), flush=True)


if __name__ == "__main__":
    main()
