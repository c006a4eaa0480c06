"""The calls of a random workload: what a step is as SQL, what it does to the model, and which step comes next.

A step is a dictionary of plain values, so that it can be printed and run again; it names subscriptions and entries by the step that
made them. plan() gives (SQL, what it does to the model, how to check the answer), or None when what the step needs is not there."""
import copy
import datetime
import json
from decimal import Decimal
from fractions import Fraction

import prices
from world import BY_HAND, CURRENCIES, DAY, ENTITIES, METERS, cycle_containing

FIRST, LAST = datetime.date(2026, 1, 1), datetime.date(2027, 10, 31)
TENANTS = ("t1", "t2", "t3", "t4")
SETUP = (
    "CREATE EXTENSION billing",
    "SELECT billing.install()",
    f"SELECT billing.ensure_partitions('{FIRST}', '{LAST + 90 * DAY}'), billing.ensure_partitions(current_date, current_date + 31)",
    "SELECT billing.create_legal_entity('other', name => 'Other', invoice_series => 'OTH'), billing.create_currency('CREDITS', 'Credits', 6)",
    *(f"SELECT billing.create_meter('{meter}', unit => 'unit', aggregation => '{kind}', dimensions => '{{k,r}}')" for meter, kind in METERS.items()),
)


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


def call(function, *arguments, **named):
    given = [literal(a) for a in arguments] + [f"{name} => {literal(value)}" for name, value in named.items() if value is not None]
    return f"SELECT billing.{function}({', '.join(given)})"


def decimal(fraction):
    """The plain decimal text of a fraction that has one."""
    return f"{Decimal(fraction.numerator) / Decimal(fraction.denominator):f}"


def same(printed, value):
    return "" if printed == str(value) else f"answer: {printed} and not {value}"


def instant(at):
    return at.isoformat() + "Z"


def invoice_id(invoice):
    tenant, account, currency = invoice["group"]
    return (f"(SELECT invoice_id::text FROM billing.invoices WHERE (tenant_id, account_id, currency, invoice_date, attempt) = "
            f"('{tenant}', '{account}', '{currency}', '{invoice['date']}', {invoice['attempt']}))")


# ---- What each kind of step is.

def plan_account(world, s):
    return call("create_account", s["tenant"], account=s["account"], legal_entity=s["seller"]), lambda: world.create_account(s["tenant"], s["account"], s["seller"]), same


def plan_publish(world, s):
    charges = [f"billing.add_charge({literal(s['plan'])}, {literal(c['charge'])}, {literal(c['price'])}, meter => {literal(c['meter'])}, filter => {literal(c['filter'])}, "
               f"in_advance => {literal(c['in_advance'])}, prorate => {literal(c['prorate'])})" for c in s["charges"]]
    known = world.plans.get(s["plan"])
    if known:
        newest = max(known["versions"])
        begin = [f"billing.draft_plan('{s['plan']}')"] + [f"billing.remove_charge('{s['plan']}', '{c['charge']}')" for c in world.charges(s["plan"], newest)]
    else:
        begin = [f"billing.create_plan('{s['plan']}', currency => '{s['currency']}', period => '{s['months']} months')"]
    return "SELECT " + ", ".join([*begin, *charges, f"billing.publish_plan('{s['plan']}')"]), lambda: world.publish(s["plan"], s["currency"], s["months"], s["charges"]), None


def plan_retire(world, s):
    return call("retire_plan", s["plan"], s["version"]), lambda: world.retire(s["plan"], s["version"]), None


def plan_subscribe(world, s):
    def check(printed, _):
        world.subscriptions[s["name"]].uuid = printed
        return ""
    return (call("subscribe", s["tenant"], s["plan"], s["starts"], account=s["account"], anchor=s["anchor"], ends=s["ends"], trial_days=s["trial_days"], version=s["version"]),
            lambda: world.subscribe(s["name"], s["tenant"], s["plan"], s["starts"], s["account"], s["anchor"], s["ends"], s["trial_days"], s["version"]), check)


def plan_contract(world, s):
    """change, cancel, resume"""
    sub = world.subscriptions.get(s["name"])
    if not sub:
        return None
    if s["op"] == "change":
        return (call("change_plan", sub.tenant, sub.uuid, s["plan"], effective=s["effective"], at=s["at"], version=s["version"], today=s["today"]),
                lambda: world.change_plan(s["name"], s["plan"], s["effective"], s["at"], s["version"], s["today"]), same)
    if s["op"] == "cancel":
        return call("cancel_subscription", sub.tenant, sub.uuid, effective=s["effective"], at=s["at"], today=s["today"]), lambda: world.cancel(s["name"], s["effective"], s["at"], s["today"]), same
    return call("resume_subscription", sub.tenant, sub.uuid, today=s["today"]), lambda: world.resume(s["name"], s["today"]), None


def plan_usage(world, s):
    def event(e):
        return {"tenant": e["tenant"], "meter": e["meter"], "event_id": e["event"], "quantity": e["quantity"], "occurred_at": instant(e["at"]), "dimensions": dict(e["dimensions"]),
                "account": e["account"], **({"corrects": e["corrects"]} if e["corrects"] else {})}

    events = [{**e, "quantity": Fraction(e["quantity"])} for e in s["events"]]
    if s["single"]:
        e = event(s["events"][0])
        sql = call("record_usage", e["tenant"], e["meter"], e["event_id"], e["quantity"], e["occurred_at"], e["dimensions"], e["account"], corrects=e.get("corrects"))
        return sql, lambda: world.record_usage(events[:1]), lambda printed, value: same(printed, "t" if value else "f")
    return call("record_usage", [event(e) for e in s["events"]]), lambda: world.record_usage(events), same


def plan_sync(world, s):
    return "SELECT rows_counted, rows_set_aside FROM billing.sync_counts()", world.sync_counts, lambda printed, value: same(printed, "%s|%s" % value)


def chosen(s):
    first, last = s["tenants"]
    return lambda tenant: first <= tenant <= last


def run_over(s):
    """The arguments of a run that say which tenants, and whether one is among them."""
    if not s["part"]:
        return "", lambda tenant: True
    return f", first_tenant => '{s['tenants'][0]}', last_tenant => '{s['tenants'][1]}'", chosen(s)


def plan_rate(world, s):
    if s["whole"]:
        part, among = run_over(s)

        def run():
            world.sync_counts()
            world.rate(s["day"], among)
        return f"CALL billing.run_rating('{s['day']}', batch_tenants => {s['batch']}{part})", run, None
    return call("rate_batch", s["day"], *s["tenants"]), lambda: world.rate(s["day"], chosen(s)), same


def plan_invoices(world, s):
    if s["whole"]:
        part, among = run_over(s)

        def run():
            world.sync_counts()
            world.run_batch(s["day"], among, s["finalize"])
        return f"CALL billing.run_invoices('{s['day']}', finalize => {literal(s['finalize'])}{part})", run, None
    return (f"SELECT finalized FROM billing.invoice_batch('{s['day']}', '{s['tenants'][0]}', '{s['tenants'][1]}', billing.uuid_v7(), {literal(s['finalize'])})",
            lambda: world.run_batch(s["day"], chosen(s), s["finalize"]), same)


def plan_finalize_batch(world, s):
    return call("finalize_batch", s["day"], *s["tenants"]), lambda: world.finalize([i for i in world.drafts(chosen(s)) if i["date"] <= s["day"]]), same


def plan_invoice(world, s):
    """finalize or void one"""
    found = [i for i in world.invoices if (i["group"], i["date"], i["attempt"]) == s["invoice"]]
    if not found:
        return None
    if s["op"] == "finalize":
        return f"SELECT billing.finalize_invoice({invoice_id(found[0])}, '{found[0]['group'][0]}')", lambda: world.finalize_one(found[0]), same
    return f"SELECT billing.void_invoice({invoice_id(found[0])}, 'a mistake', '{found[0]['group'][0]}')", lambda: world.void(found[0]), None


def plan_post(world, s):
    def check(printed, name):
        return same(printed, world.entries[name].setdefault("uuid", printed))
    return (call("post_entry", s["tenant"], s["entry_type"], s["amount"], s["currency"], account=s["account"], posted_on=s["today"], idempotency_key=s["key"]),
            lambda: world.post_entry(s["name"], s["tenant"], s["account"], s["entry_type"], s["amount"], s["currency"], s["key"], s["today"]), check)


def plan_reverse(world, s):
    entry = world.entries.get(s["name"])
    if not entry:
        return None
    return call("reverse_entry", entry["tenant"], entry["uuid"], "a mistake", posted_on=s["today"]), lambda: world.reverse_entry(s["name"]), None


def plan_charges(world, s):
    """What is owed so far, counted or not: every row as the model has it, and none missing of the current period or not rated yet."""
    def expect():
        expected, needed, counts = {}, set(), world.daily_counts(counted_only=False)
        for sub in world.subscriptions.values():
            if sub.tenant == s["tenant"] and sub.starts <= s["day"]:
                rate_to = max([s["day"]] + [n["rated_on"] for k, n in world.rated.items() if k[0] == sub.name])
                for key, item in world.items(sub, rate_to, counts).items():
                    row = json.dumps([sub.account, sub.uuid, key[1], key[3], str(key[4]), str(item["period_end"]), str(item["quantity"]), item["amount"], sub.currency])
                    expected[row] = 1
                    # One that ended and is rated to its end may be left out.
                    is_over = sub.ends is not None and sub.ends <= rate_to
                    if key not in world.rated or (key[4] >= cycle_containing(sub.anchor, sub.months, rate_to)[0] and not is_over):
                        needed.add(row)
        return expected, needed

    def check(printed, value):
        found = [json.dumps([*row[:6], str(Fraction(row[6])), *row[7:]]) for row in json.loads(printed)]
        wrong = [f"not so: {row}" for row in found if row not in value[0]] + [f"missing: {row}" for row in value[1] if row not in found]
        return "current charges: " + "; ".join(wrong) if wrong or len(set(found)) < len(found) else ""

    return (f"SELECT coalesce(jsonb_agg(jsonb_build_array(account_id, subscription_id, plan_id, charge_id, period_start, period_end, quantity::text, amount_minor, currency)), '[]')"
            f" FROM billing.current_charges('{s['tenant']}', '{s['day']}')", expect, check)


def plan_preview(world, s):
    """What a run would make, which then is not made."""
    def row(account, currency, date, total, lines):
        return json.dumps([account, currency, str(date), total, [[charge, str(start), rated, amount, correction] for charge, start, rated, amount, correction in lines]])

    def expect():
        other = copy.deepcopy(world)
        other.run_batch(s["day"], lambda tenant: tenant == s["tenant"], False)
        return sorted(row(i["group"][1], i["group"][2], i["date"], i["total"], [(n["key"][3], n["key"][4], n["rated"], n["amount"], n["correction"]) for n in i["lines"]])
                      for i in other.drafts(lambda tenant: tenant == s["tenant"]))

    def check(printed, value):
        found = sorted(row(d["customer"]["account"], d["currency"], d["invoice_date"], d["total_minor"],
                           [(n["charge"], n["period"]["start"], n["rated_minor"], n["amount_minor"], n["correction"]) for n in d["lines"]]) for d in json.loads(printed or "[]"))
        return "" if found == value else f"preview: {found} and not {value}"

    return call("preview_invoices", s["tenant"], s["day"]), expect, check


PLANS = {
    "account": plan_account, "publish": plan_publish, "retire": plan_retire, "subscribe": plan_subscribe, "change": plan_contract, "cancel": plan_contract, "resume": plan_contract,
    "usage": plan_usage, "sync": plan_sync, "rate": plan_rate, "invoices": plan_invoices, "finalize_batch": plan_finalize_batch, "finalize": plan_invoice, "void": plan_invoice,
    "post": plan_post, "reverse": plan_reverse, "charges": plan_charges, "preview": plan_preview,
}


def plan(world, step):
    return PLANS[step["op"]](world, step)


# ---- Which step comes next.

class Chooser:
    WEIGHTS = {"account": 3, "publish": 5, "retire": 1, "subscribe": 9, "change": 6, "cancel": 3, "resume": 2, "usage": 22, "sync": 4, "rate": 6, "invoices": 10, "finalize_batch": 1, "finalize": 3,
               "void": 3, "post": 5, "reverse": 2, "charges": 4, "preview": 2}

    def __init__(self, rng):
        self.rng, self.today, self.count = rng, FIRST + rng.randint(0, 40) * DAY, 0

    def next(self, world):
        """Time passes, and something happens. The first steps make accounts and plans."""
        self.count += 1
        if self.count > 6 and self.rng.random() < 0.35:
            self.today = min(LAST, self.today + self.rng.choice([1, 1, 3, 10, 25, 31]) * DAY)
        first = ("account", "publish", "account", "publish", "subscribe", "subscribe")
        while True:
            op = first[self.count - 1] if self.count <= len(first) else self.rng.choices(list(self.WEIGHTS), self.WEIGHTS.values())[0]
            step = getattr(self, op)(world)
            if step is not None:
                return {"op": op, **step}

    def maybe(self, chance):
        return self.rng.random() < chance

    def near(self, back, ahead):
        return self.today + self.rng.randint(-back, ahead) * DAY

    def any(self, some):
        some = list(some)
        return self.rng.choice(some) if some else None

    def tenants(self):
        return self.any([("t1", "t4"), ("t1", "t2"), ("t3", "t3"), ("t2", "t4"), ("", "z")])

    def run_day(self):
        return self.today if self.maybe(0.8) else self.near(40, 0)

    def account(self, world):
        return {"tenant": self.any(TENANTS), "account": self.any(["main", "main", "second"]), "seller": self.any(ENTITIES)}

    def known_account(self, world):
        return self.any(world.accounts) if world.accounts and not self.maybe(0.02) else ("t1", "nobody")

    def publish(self, world):
        plan = f"p{self.rng.randint(1, 5)}"
        known = world.plans.get(plan)
        charges = [self.charge(f"c{n}") for n in range(self.rng.randint(1, 4))]
        return {"plan": plan, "charges": charges, "currency": known["currency"] if known else self.any(["EUR", "EUR", *CURRENCIES]),
                "months": known["months"] if known else self.any([1, 1, 1, 3, 12])}

    def charge(self, name):
        fixed = self.maybe(0.4)
        filters = [{}, {}, {"k": "a"}, {"k": "b"}, {"r": "x"}, {"k": "a", "r": "x"}]
        return {"charge": name, "price": prices.random_price(self.rng, fixed), "meter": None if fixed else self.any(METERS), "filter": {} if fixed else self.any(filters),
                "in_advance": fixed and self.maybe(0.5), "prorate": self.maybe(0.7)}

    def retire(self, world):
        plan = self.any(world.plans)
        return plan and {"plan": plan, "version": self.rng.randint(1, len(world.plans[plan]["versions"]))}

    def version(self, world, plan):
        return self.rng.randint(1, len(world.plans[plan]["versions"])) if self.maybe(0.2) else None

    def subscribe(self, world):
        plan, (tenant, account) = self.any(world.plans), self.known_account(world)
        starts = max(FIRST, self.near(45, 20))
        return {"name": f"s{self.count}", "tenant": tenant, "account": account, "plan": plan, "starts": starts, "anchor": self.any(["calendar", "anniversary"]),
                "ends": starts + self.rng.randint(0, 200) * DAY if self.maybe(0.2) else None, "trial_days": self.rng.randint(1, 40) if self.maybe(0.2) else 0,
                "version": self.version(world, plan)}

    def change(self, world):
        name, plan = self.any(world.subscriptions), self.any(world.plans)
        if not name:
            return None
        alike = [p for p, v in world.plans.items() if (v["currency"], v["months"]) == (world.subscriptions[name].currency, world.subscriptions[name].months)]
        plan = self.any(alike) if self.maybe(0.9) else plan
        return {"name": name, "plan": plan, "effective": self.near(20, 40) if self.maybe(0.4) else None, "at": self.any(["now", "period_end"]), "version": self.version(world, plan),
                "today": self.today}

    def cancel(self, world):
        name = self.any(world.subscriptions)
        return name and {"name": name, "effective": self.near(20, 40) if self.maybe(0.4) else None, "at": self.any(["now", "period_end"]), "today": self.today}

    def resume(self, world):
        name = self.any(world.subscriptions)
        return name and {"name": name, "today": self.today}

    def usage(self, world):
        if not world.subscriptions:
            return None
        single = self.maybe(0.4)
        return {"events": [self.event(world, n) for n in range(1 if single else self.rng.randint(1, 12))], "single": single}

    def event(self, world, n):
        """New, mostly; now and then one again, alike or not, or a correction of one."""
        chance = self.rng.random()
        if world.usage and chance < 0.1:
            old = self.any(world.usage.values())
            again = {k: old[k] for k in ("tenant", "meter", "event", "at", "dimensions", "account", "corrects")}
            return {**again, "quantity": decimal(old["quantity"] + (1 if self.maybe(0.1) else 0))}
        sub = self.any(world.subscriptions.values())
        day = max(FIRST, self.near(*self.any([(3, 0), (3, 0), (70, 0), (0, 5)])))
        if self.maybe(0.97):
            day = min(max(day, sub.starts), sub.ends - DAY if sub.ends else LAST)
        at = datetime.datetime(day.year, day.month, day.day) + datetime.timedelta(seconds=self.rng.randint(0, 86399), microseconds=self.count * 100 + n)
        made = {"tenant": sub.tenant, "meter": self.any(METERS), "event": f"e{self.count}.{n}", "at": at, "account": sub.account, "corrects": None,
                "dimensions": self.any([(("k", "a"),), (("k", "b"),), (), (("k", "a"), ("r", "x")), (("r", "x"),)]), "quantity": self.any_quantity()}
        if world.usage and chance < 0.25:
            old = self.any(world.usage.values())
            made.update({k: old[k] for k in ("tenant", "meter", "account", "dimensions")}, corrects=old["event"] if self.maybe(0.95) else "nothing",
                        at=old["at"].replace(microsecond=self.count * 100 + n), quantity="-" + made["quantity"] if self.maybe(0.7) else made["quantity"])
        return made

    def any_quantity(self):
        return f"{self.rng.random() * self.rng.choice([1, 50, 1000]):.{self.rng.randint(0, 4)}f}"

    def sync(self, world):
        return {}

    def rate(self, world):
        return {"day": self.run_day(), "whole": self.maybe(0.5), "part": self.maybe(0.4), "tenants": self.tenants(), "batch": self.rng.randint(1, 5)}

    def invoices(self, world):
        return {"day": self.run_day(), "whole": self.maybe(0.6), "part": self.maybe(0.4), "tenants": self.tenants(), "finalize": self.maybe(0.6)}

    def finalize_batch(self, world):
        return {"day": self.run_day(), "tenants": self.tenants()}

    def invoice(self, world, statuses):
        found = self.any(i for i in world.invoices if i["status"] in statuses or self.maybe(0.05))
        return found and {"invoice": (found["group"], found["date"], found["attempt"])}

    def finalize(self, world):
        return self.invoice(world, ("draft",))

    def void(self, world):
        return self.invoice(world, ("finalized",))

    def post(self, world):
        (tenant, account), key = self.known_account(world), f"k{self.rng.randint(1, 12)}" if self.maybe(0.4) else None
        return {"name": f"e{self.count}", "tenant": tenant, "account": account, "entry_type": self.any(BY_HAND) if self.maybe(0.95) else "usage", "key": key, "today": self.today,
                "amount": self.rng.choice([0, 100, 100, self.rng.randint(1, 10**9)]), "currency": self.any(["EUR", "EUR", "JPY"])}

    def reverse(self, world):
        name = self.any(world.entries)
        return name and {"name": name, "today": self.today}

    def charges(self, world):
        return {"tenant": self.any(TENANTS), "day": self.run_day()}

    def preview(self, world):
        return {"tenant": self.any(TENANTS), "day": self.run_day()}
