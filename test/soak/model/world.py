"""What billing should hold after any sequence of its calls: a plain model that looks at everything anew each time, and takes no
short cut over what may have changed. A call that must be refused raises Refused with its SQLSTATE and changes nothing."""
import calendar
import copy
import datetime
from fractions import Fraction

import prices

DAY = datetime.timedelta(days=1)
ENTITIES = {"default": "INV", "other": "OTH"}
CURRENCIES = {"EUR": 2, "JPY": 0, "KWD": 3, "CREDITS": 6}
METERS = {"m_sum": "sum", "m_count": "count", "m_max": "max", "m_latest": "latest"}
BY_HAND = {
    "payment": ("cash", "receivable"), "admin_credit": ("discounts", "customer_credit"), "credit_applied": ("customer_credit", "receivable"),
    "adjustment": ("receivable", "revenue"), "refund": ("refunds", "cash"), "write_off": ("bad_debt", "receivable"),
    "chargeback_debit": ("disputes", "cash"), "chargeback_reversal": ("cash", "disputes"),
}


class Refused(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


def month_from(anchor, months):
    index = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(index, 12)
    return datetime.date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


def cycle_containing(anchor, months, day):
    k = ((day.year - anchor.year) * 12 + day.month - anchor.month) // months + 1
    while month_from(anchor, k * months) > day:
        k -= 1
    return month_from(anchor, k * months), month_from(anchor, (k + 1) * months)


def before(day, end):
    """Whether day is before an end that may be open."""
    return end is None or day < end


def earliest(*days):
    return min((d for d in days if d is not None), default=None)


class Subscription:
    def __init__(self, name, tenant, account, currency, anchor, months, starts, ends, trial_ends):
        self.name, self.tenant, self.account, self.currency = name, tenant, account, currency
        self.anchor, self.months, self.starts, self.ends, self.trial_ends = anchor, months, starts, ends, trial_ends
        self.phases = []  # [starts, ends, plan, version, is_trial]
        self.uuid = None

    def write_phases(self, first, plan, version):
        self.phases = [p for p in self.phases if p[0] < first]
        same = [p for p in self.phases if p[2:4] == [plan, version] and (p[1] is None or p[1] >= first)]
        begins = same[0][0] if same else first
        self.phases = [p for p in self.phases if p not in same]
        self.cut_phases(begins)
        paid_from = max(begins, self.trial_ends or begins)
        for starts, ends, is_trial in ((begins, earliest(paid_from, self.ends), True), (paid_from, self.ends, False)):
            if before(starts, ends):
                self.phases.append([starts, ends, plan, version, is_trial])

    def cut_phases(self, day):
        for phase in self.phases:
            if before(day, phase[1]):
                phase[1] = day


class World:
    def __init__(self):
        self.accounts = {}       # (tenant, account) -> seller
        self.plans = {}          # plan -> {currency, months, versions: {n: {status, charges}}}
        self.subscriptions = {}  # name -> Subscription
        self.usage = {}          # (day, tenant, meter, event) -> dict
        self.rated = {}          # (subscription, plan, version, charge, period_start) -> latest revision
        self.invoices = []
        self.numbers = {}
        self.balances = {}       # (tenant, account, currency, ledger account) -> [debit, credit]
        self.entries = {}        # name -> what was posted by hand
        self.keys = {}
        self.counted_rows = 0

    # ---- catalogue and contracts

    def create_account(self, tenant, account, seller):
        if self.accounts.setdefault((tenant, account), seller) != seller:
            raise Refused("MB409")
        return account

    def publish(self, plan, currency, months, charges):
        known = self.plans.setdefault(plan, {"currency": currency, "months": months, "versions": {}})
        known["versions"][len(known["versions"]) + 1] = {"status": "published", "charges": charges}
        return len(known["versions"])

    def retire(self, plan, version):
        if plan not in self.plans or version not in self.plans[plan]["versions"]:
            raise Refused("MB443")
        self.plans[plan]["versions"][version]["status"] = "retired"

    def find_terms(self, plan, version):
        if plan not in self.plans:
            raise Refused("MB443")
        versions = self.plans[plan]["versions"]
        if version is None:
            published = [n for n, v in versions.items() if v["status"] == "published"]
            if not published:
                raise Refused("MB421")
            return max(published)
        if version not in versions:
            raise Refused("MB443")
        if versions[version]["status"] != "published":
            raise Refused("MB421")
        return version

    def charges(self, plan, version):
        return self.plans[plan]["versions"][version]["charges"]

    def subscribe(self, name, tenant, plan, starts, account, anchor, ends, trial_days, version):
        if ends is not None and ends <= starts:
            raise Refused("MB417")
        if (tenant, account) not in self.accounts:
            raise Refused("MB440")
        version = self.find_terms(plan, version)
        known = self.plans[plan]
        made = Subscription(name, tenant, account, known["currency"], starts.replace(day=1) if anchor == "calendar" else starts, known["months"], starts, ends,
                            starts + trial_days * DAY if trial_days else None)
        made.write_phases(starts, plan, version)
        self.check_single_charge(made)
        self.subscriptions[name] = made

    def check_single_charge(self, mine):
        for other in self.subscriptions.values():
            if other.name == mine.name or (other.tenant, other.account) != (mine.tenant, mine.account):
                continue
            for p in mine.phases:
                for q in other.phases:
                    if not p[4] and not q[4] and before(p[0], q[1]) and before(q[0], p[1]) and self.clash(p, q):
                        raise Refused("MB409")

    def clash(self, p, q):
        return any(c["meter"] and c["meter"] == d["meter"] and all(d["filter"].get(k, v) == v for k, v in c["filter"].items())
                   for c in self.charges(p[2], p[3]) for d in self.charges(q[2], q[3]))

    def change_day(self, sub, effective, at, today):
        day = effective
        if day is None:
            day = max(sub.starts, today) if at == "now" else cycle_containing(sub.anchor, sub.months, max(sub.starts, today))[1]
        if day < sub.starts or day < cycle_containing(sub.anchor, sub.months, today)[0]:
            raise Refused("MB417")
        return day

    def changed(self, sub, change):
        """Applies a change of phases, or nothing when it would charge usage twice."""
        kept = copy.deepcopy((sub.phases, sub.ends))
        try:
            change()
            self.check_single_charge(sub)
        except Refused:
            sub.phases, sub.ends = kept
            raise

    def change_plan(self, name, plan, effective, at, version, today):
        sub = self.subscriptions[name]
        day = self.change_day(sub, effective, at, today)
        if sub.ends is not None and day >= sub.ends:
            raise Refused("MB417")
        version = self.find_terms(plan, version)
        if (self.plans[plan]["currency"], self.plans[plan]["months"]) != (sub.currency, sub.months):
            raise Refused("MB428")
        self.changed(sub, lambda: sub.write_phases(day, plan, version))
        return day

    def cancel(self, name, effective, at, today):
        sub = self.subscriptions[name]
        day = self.change_day(sub, effective, at, today)
        if effective is None:
            day = earliest(day + (DAY if at == "now" and today >= sub.starts else 0 * DAY), sub.ends)
        elif sub.ends is not None and day > sub.ends:
            raise Refused("MB421")
        sub.ends = day
        sub.phases = [p for p in sub.phases if p[0] < day]
        sub.cut_phases(day)
        return day

    def resume(self, name, today):
        sub = self.subscriptions[name]
        if (sub.ends is not None and sub.ends <= today) or not sub.phases:
            raise Refused("MB421")
        if sub.ends is not None:
            latest = max(sub.phases)

            def reopen():
                sub.ends = None
                sub.write_phases(latest[0], latest[2], latest[3])
            self.changed(sub, reopen)

    # ---- usage

    def record_usage(self, events):
        """A batch, all or none; how many are new. Events: tenant, meter, event, quantity, at, dimensions, account, corrects."""
        new, batch = 0, {}
        for e in events:
            key = (e["at"].date(), e["tenant"], e["meter"], e["event"])
            content = (e["account"], e["quantity"], e["dimensions"], e["at"], e["corrects"])
            known = self.usage.get(key) or batch.get(key)
            if known:
                if known["content"] != content:
                    raise Refused("MB409")
                continue
            if (e["tenant"], e["account"]) not in self.accounts:
                raise Refused("MB440")
            if e["quantity"] < 0 and (not e["corrects"] or METERS[e["meter"]] in ("max", "latest")):
                raise Refused("MB415")
            if not self.is_subscribed(e["tenant"], e["account"], key[0]):
                raise Refused("MB418")
            if e["corrects"] and (*key[:3], e["corrects"]) not in self.usage and (*key[:3], e["corrects"]) not in batch:
                raise Refused("MB449")
            batch[key] = {"content": content, "counted": False, "aside": False, **e}
            new += 1
        self.usage.update(batch)
        return new

    def is_subscribed(self, tenant, account, day):
        return any((s.tenant, s.account) == (tenant, account) and s.starts <= day and before(day, s.ends) for s in self.subscriptions.values())

    def sync_counts(self):
        """How many rows are counted, and how many set aside, for their subscription was cancelled in between; each sync tries those again."""
        waiting = [e for e in self.usage.values() if not e["counted"]]
        fresh = [e for e in waiting if not e["aside"]]
        for e in waiting:
            e["counted"] = self.is_subscribed(e["tenant"], e["account"], e["at"].date())
            e["aside"] = not e["counted"]
        counted = sum(e["counted"] for e in waiting)
        self.counted_rows += counted
        return counted, sum(e["aside"] for e in fresh)

    def daily_counts(self, counted_only=True):
        """(day, tenant, account, meter, dimensions) -> (quantity, latest_at)"""
        groups = {}
        for e in self.usage.values():
            if e["counted"] or not (counted_only or e["aside"]):
                groups.setdefault((e["at"].date(), e["tenant"], e["account"], e["meter"], e["dimensions"]), []).append(e)
        return {key: (aggregate(METERS[key[3]], [(e["at"], e["quantity"], e["corrects"]) for e in events]), max(e["at"] for e in events))
                for key, events in groups.items()}

    # ---- rating

    def items(self, sub, rate_to, counts):
        """What a subscription comes to on a day: key -> what of it a revision records."""
        found = {}
        for starts, ends, plan, version, is_trial in sub.phases:
            if is_trial:
                continue
            cycle = cycle_containing(sub.anchor, sub.months, starts)
            while cycle[0] <= rate_to and before(cycle[0], ends):
                for charge in self.charges(plan, version):
                    item = self.item(sub, (starts, ends), cycle, charge, rate_to, counts)
                    if item:
                        found[(sub.name, plan, version, charge["charge"], item["period_start"])] = item
                cycle = cycle_containing(sub.anchor, sub.months, cycle[1])
        return found

    def item(self, sub, phase, cycle, charge, rate_to, counts):
        period_start, period_end = max(cycle[0], phase[0]), earliest(cycle[1], phase[1], sub.ends)
        closes_on, whole = earliest(cycle[1], sub.ends), (cycle[1] - cycle[0]).days
        due = closes_on
        if charge["in_advance"] and (period_start == cycle[0] or not any(p[1] == phase[0] and not p[4] for p in sub.phases)):
            due = period_start
        quantity, share = Fraction(1), whole
        if charge["meter"]:
            if period_start >= rate_to:
                return None
            quantity = self.quantity(sub, charge, period_start, period_end, rate_to, counts)
        elif (period_start if charge["in_advance"] else closes_on) > rate_to:
            return None
        elif charge["prorate"]:
            share = (period_end - period_start).days
        return {"period_start": period_start, "period_end": period_end, "due_on": due, "share": (share, whole), "quantity": quantity,
                "amount": prices.rate_minor(charge["price"], quantity, CURRENCIES[sub.currency], Fraction(share, whole))}

    def quantity(self, sub, charge, first, end, rate_to, counts):
        days = [(latest, quantity) for (day, tenant, account, meter, dimensions), (quantity, latest) in counts.items()
                if (tenant, account, meter) == (sub.tenant, sub.account, charge["meter"]) and first <= day < end and day <= rate_to
                and charge["filter"].items() <= dict(dimensions).items()]
        kind = METERS[charge["meter"]]
        if not days:
            return Fraction(0)
        if kind in ("max", "latest"):
            return max(q for _, q in days) if kind == "max" else max(days)[1]
        return sum(q for _, q in days)

    def rate(self, day, tenants):
        revisions, counts = 0, self.daily_counts()
        for sub in self.subscriptions.values():
            if not tenants(sub.tenant) or sub.starts > day:
                continue
            known = {k: line for k, line in self.rated.items() if k[0] == sub.name}
            rate_to = max([day] + [line["rated_on"] for line in known.values()])
            wanted = self.items(sub, rate_to, counts)
            for key, line in known.items():
                if key not in wanted:
                    wanted[key] = {**line["item"], "share": (0, line["item"]["share"][1]), "quantity": Fraction(0), "amount": 0}
            for key, item in wanted.items():
                line = known.get(key)
                if line and line["item"] == item:
                    continue
                revisions += 1
                posted = item["amount"] - (line["item"]["amount"] if line else 0)
                self.rated[key] = {"item": item, "revision": (line["revision"] if line else 0) + 1, "rated_on": rate_to}
                self.post_rated(sub, key, posted)
        return revisions

    def post_rated(self, sub, key, posted):
        charge = next(c for c in self.charges(key[1], key[2]) if c["charge"] == key[3])
        earned = "deferred_revenue" if charge["in_advance"] else "revenue"
        if posted:
            self.post(sub.tenant, sub.account, sub.currency, *(("unbilled_receivable", earned) if posted > 0 else (earned, "unbilled_receivable")), abs(posted))

    # ---- ledger

    def post(self, tenant, account, currency, debit, credit, amount):
        self.balances.setdefault((tenant, account, currency, debit), [0, 0])[0] += amount
        self.balances.setdefault((tenant, account, currency, credit), [0, 0])[1] += amount

    def post_entry(self, name, tenant, account, entry_type, amount, currency, key, day):
        """The name of the entry that answers: this one, or an earlier one of the same key."""
        if amount <= 0:
            raise Refused("MB400")
        request = (entry_type, amount, currency, account, day)
        if key and (tenant, key) in self.keys:
            before_request, before_name = self.keys[(tenant, key)]
            if before_request != request:
                raise Refused("MB409")
            return before_name
        if (tenant, account) not in self.accounts:
            raise Refused("MB440")
        if entry_type not in BY_HAND:
            raise Refused("MB451")
        if key:
            self.keys[(tenant, key)] = (request, name)
        self.entries[name] = {"tenant": tenant, "account": account, "currency": currency, "accounts": BY_HAND[entry_type], "amount": amount, "reversed": False}
        self.post(tenant, account, currency, *BY_HAND[entry_type], amount)
        return name

    def reverse_entry(self, name):
        entry = self.entries[name]
        if not entry["reversed"]:
            entry["reversed"] = True
            self.post(entry["tenant"], entry["account"], entry["currency"], *reversed(entry["accounts"]), entry["amount"])

    # ---- invoices

    def wanted(self, group, day):
        """The drafts that a tenant, account and currency should have: every line ever rated is looked at."""
        mine = [i for i in self.invoices if i["group"] == group]
        standing = [i for i in mine if i["status"] == "finalized"]
        last = max((i["date"] for i in standing), default=None)
        bill_to = max([day] + [i["date"] for i in mine if i["status"] == "draft"])
        subs = {s.name: s for s in self.subscriptions.values() if (s.tenant, s.account, s.currency) == group}
        all_ended = all(s.ends is not None and s.ends <= day for s in subs.values())
        lines = []
        for key, line in self.rated.items():
            if key[0] in subs and line["item"]["due_on"] <= bill_to:
                billed = [b["amount"] for i in standing for b in i["lines"] if b["key"] == key]
                amount, due = line["item"]["amount"], line["item"]["due_on"]
                lines.append({"key": key, "item": line["item"], "rated_on": line["rated_on"], "billed": sum(billed), "correction": bool(billed),
                              "on_time": not billed and (last is None or due > last),
                              "owed": amount != sum(billed) or (not billed and line["item"]["quantity"] != 0)})
        late_since = min((n["rated_on"] for n in lines if n["owed"] and not n["on_time"]), default=None)
        follow = min((n["item"]["due_on"] for n in lines if n["on_time"] and (n["owed"] or (late_since and n["item"]["due_on"] >= late_since))), default=None)
        if follow is None and all_ended and (last is None or bill_to > last):
            follow = bill_to
        dated = {}
        for n in lines:
            date = n["item"]["due_on"] if n["on_time"] else follow
            if n["owed"] and date is not None:
                dated.setdefault(date, []).append(n)
        return [self.draft(group, date, dated[date], subs, mine) for date in sorted(dated)]

    def draft(self, group, date, lines, subs, mine):
        def place(n):
            name, plan, version, charge, period_start = n["key"]
            position = [c["charge"] for c in self.charges(plan, version)].index(charge)
            return n["correction"], subs[name].uuid, period_start, position, charge, plan, version

        lines = [{"key": n["key"], "rated": n["item"]["amount"], "billed": n["billed"], "amount": n["item"]["amount"] - n["billed"],
                  "quantity": n["item"]["quantity"], "correction": n["correction"], "period_end": n["item"]["period_end"]} for n in sorted(lines, key=place)]
        new = [n for n in lines if not n["correction"]] or lines
        return {"group": group, "date": date, "attempt": 1 + sum(i["status"] == "void" and i["date"] == date for i in mine), "status": "draft", "number": None,
                "lines": lines, "total": sum(n["amount"] for n in lines), "period": (min(n["key"][4] for n in new), max(n["period_end"] for n in new))}

    def run_batch(self, day, tenants, finalize):
        self.rate(day, tenants)
        groups = {(s.tenant, s.account, s.currency) for s in self.subscriptions.values() if tenants(s.tenant)}
        drafts = [draft for group in sorted(groups) for draft in self.wanted(group, day)]
        self.invoices = [i for i in self.invoices if i["status"] != "draft" or not tenants(i["group"][0])] + drafts
        return self.finalize([i for i in self.drafts(tenants) if i["date"] <= day]) if finalize else 0

    def drafts(self, tenants):
        return [i for i in self.invoices if i["status"] == "draft" and tenants(i["group"][0])]

    def finalize(self, drafts):
        for i in sorted(drafts, key=lambda i: (i["date"], i["group"])):
            series = f"{ENTITIES[self.accounts[i['group'][:2]]]}-{i['date'].year}"
            self.numbers[series] = self.numbers.get(series, 0) + 1
            i["status"], i["number"] = "finalized", f"{series}-{self.numbers[series]:06}"
            self.post_invoice(i, i["total"])
        return len(drafts)

    def post_invoice(self, invoice, total):
        accounts = ("receivable", "unbilled_receivable")
        if total:
            self.post(*invoice["group"], *(accounts if total > 0 else reversed(accounts)), abs(total))

    def finalize_one(self, invoice):
        if invoice["status"] == "void":
            raise Refused("MB421")
        if invoice["status"] == "draft":
            if any(i["status"] == "draft" and i["group"] == invoice["group"] and i["date"] < invoice["date"] for i in self.invoices):
                raise Refused("MB421")
            self.finalize([invoice])
        return invoice["number"]

    def void(self, invoice):
        if invoice["status"] != "finalized":
            raise Refused("MB421")
        invoice["status"] = "void"
        self.post_invoice(invoice, -invoice["total"])


def aggregate(kind, events):
    if kind == "sum":
        return sum(q for _, q, _ in events)
    if kind == "count":
        return sum(1 if not corrects else (q > 0) - (q < 0) for _, q, corrects in events)
    if kind == "max":
        return max(q for _, q, _ in events)
    return max((at, q) for at, q, _ in events)[1]
