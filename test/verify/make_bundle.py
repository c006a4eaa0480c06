#!/usr/bin/env python3
"""Makes evidence bundles without a server: make_bundle.py OUT [SEED] writes OUT, OUT.vkey and OUT.older.

A scenario is an invoice with everything it came from, at random: all price models, all aggregations, corrections, fees
in advance and in arrears, charges that fell away. assemble() puts its rows into a small signed log.
"""

import os
import random
import sys
import tempfile
from fractions import Fraction

import canonical
import signing
from canonical import b64, encode, jcs, leaf_hash, sha256
from verify import DAY, candidates, rate

FIRST_DAY = 20454  # 2026-01-01
ORIGIN = 'example.com/billing/7301234567890123456/1'
TEXTS = ['main', 'eu-1', 'a "quoted" \\ name', 'größer', 'データ', '\U0001F680 launch', 'tab\there', 'x' * 60]


class Scenario:
    def __init__(self, seed, plans=2, tenant=None, account=None, days=None):
        self.random = random.Random(seed)
        self.currency, self.exponent = self.random.choice([('EUR', 2), ('JPY', 0), ('KWD', 3), ('credits', 6)])
        self.tenant, self.account = self.random.choice(TEXTS), self.random.choice(TEXTS)
        self.tenant, self.account = tenant or self.tenant, account or self.account
        self.days = days or self.random.choice([28, 30, 31])
        self.period = {'period_start': FIRST_DAY, 'period_end': FIRST_DAY + self.days}
        self.meters = {f'meter {kind}': kind for kind in ('sum', 'count', 'max', 'latest')}
        self.plans = [self.make_plan(name) for name in self.random.sample(['basic', 'pro', 'größer', '\U0001F680'], plans)]
        self.plans.sort(key=lambda plan: plan['row']['plan_id'].encode())
        self.make_windows()
        self.lines = [line for plan in self.plans for line in map(lambda charge: self.make_line(plan, charge),
                                                                   plan['terms']['charges'])]
        self.make_invoice()

    def bytes(self, count):
        return self.random.randbytes(count)

    def decimal(self, largest, places):
        places = self.random.randint(0, places)
        text = f'{self.random.randint(0, largest * 10**places)}'.rjust(places + 1, '0')
        return self.trim(f'{text[:-places]}.{text[-places:]}') if places else self.trim(text)

    @staticmethod
    def trim(text):
        return (text.rstrip('0').rstrip('.') if '.' in text else text) or '0'

    def tiers(self, keys):
        ends = sorted(self.random.sample(range(1, 5000), self.random.randint(0, 4)))
        return [{'up_to': end, **{key: self.decimal(20, 6) for key in keys}} for end in [*map(str, ends), None]]

    def price(self):
        model = self.random.choice(['unit', 'graduated', 'volume', 'package', 'percentage', 'graduated_percentage', 'stairstep'])
        price = {'model': model}
        if model in ('unit', 'package'):
            price |= {'unit': self.decimal(9, 9)}
        if model in ('unit', 'package', 'graduated', 'volume') and self.random.random() < 0.5:
            price |= {'per': str(self.random.choice([1, 7, 1000, 10**6]))}
        if model == 'percentage':
            price |= {'percent': self.decimal(30, 4), 'flat': self.decimal(2, 2)}
        if model in ('graduated', 'volume', 'graduated_percentage', 'stairstep'):
            price |= {'tiers': self.tiers({'graduated_percentage': ('percent', 'flat'), 'stairstep': ('flat',)}.get(model, ('unit', 'flat')))}
        if self.random.random() < 0.3:
            price |= {'minimum': self.decimal(50, 2)}
        if self.random.random() < 0.3:
            price |= {'maximum': str(int(Fraction(price.get('minimum', '0'))) + self.random.randint(1, 10**6))}
        return price

    def make_plan(self, name):
        charges = [{'id': f'use {meter}', 'name': self.random.choice(TEXTS), 'meter': meter, 'in_advance': False, 'prorate': True,
                    'filter': self.random.choice([{}, {'region': 'eu'}, {'region': 'eu', 'gpu': 'H100'}, {'no': 'such'}]), 'price': self.price()}
                   for meter in self.random.sample(sorted(self.meters), 3)]
        charges += [{'id': f'fee {advance}', 'name': 'Fee', 'meter': None, 'in_advance': advance, 'prorate': True, 'filter': {},
                     'price': {'model': 'flat', 'amount': self.decimal(99, 3)}} for advance in (False, True)]
        return {'row': {'plan_id': name, 'version': self.random.randint(1, 9), 'currency': self.currency, 'period_months': 1,
                        'published_at': self.random.randint(-2**62, 2**62)},
                'terms': {'currency': self.currency, 'period_months': 1, 'charges': charges}}

    def make_counts(self):
        keys = {}
        for _ in range(self.random.randint(1, 12)):
            meter = self.random.choice(sorted(self.meters))
            dimensions = {key: self.random.choice(values) for key, values in
                          {'region': ['eu', 'us'], 'gpu': ['H100', '\U0001F680'], 'z\ue000': ['']}.items() if self.random.random() < 0.7}
            day, account = FIRST_DAY + self.random.randint(-3, 34), self.random.choice([self.account] * 5 + ['other'])
            sign = '-' if self.random.random() < 0.1 else ''
            quantity = self.trim(sign + self.decimal(4000, 9))
            keys[day, account.encode(), meter.encode(), jcs(dimensions).encode()] = {
                'day': day, 'account_id': account, 'meter_id': meter, 'dimensions': dimensions, 'aggregation': self.meters[meter],
                'quantity': '0' if quantity == '-0' else quantity, 'events': self.random.randint(1, 10**5),
                'latest_at': day * DAY + self.random.choice([0, 1, DAY // 2, DAY - 1])}
        return [keys[key] for key in sorted(keys)]

    def make_windows(self):
        self.windows = []
        sequence, window_no, before = self.random.randint(1, 5), self.random.randint(5, 9), self.bytes(32)
        for _ in range(self.random.randint(2, 6)):
            counts = self.make_counts()
            self.windows.append({'counts': counts, 'row': {
                'tenant_id': self.tenant, 'sequence': sequence, 'window_no': window_no, 'digest': self.bytes(32), 'salt': self.bytes(16),
                'rows_processed': sum(count['events'] for count in counts), 'first_day': counts[0]['day'], 'last_day': counts[-1]['day'],
                'prev_hash': before, 'self_hash': self.bytes(32), 'created_at': self.random.randint(0, 2**60)}})
            sequence, window_no = sequence + 1, window_no + self.random.randint(1, 3)
            before = self.windows[-1]['row']['self_hash']

    def quantity(self, charge, rated_on, window_no):
        if charge['meter'] is None:
            return '1'
        counts = [count for window in self.windows if window['row']['window_no'] <= window_no for count in window['counts']
                  if count['meter_id'] == charge['meter'] and count['account_id'] == self.account
                  and FIRST_DAY <= count['day'] < self.period['period_end'] and count['day'] <= rated_on
                  and charge['filter'].items() <= count['dimensions'].items()]
        total = self.random.choice(sorted(candidates(counts)))
        scaled = abs(total) * 10**18
        text = f'{int(scaled):019d}'
        return ('-' if total < 0 else '') + self.trim(f'{text[:-18]}.{text[-18:]}')

    def entry(self, amount, kind, debit, credit, source, source_id, day):
        if amount == 0:
            return None
        if amount < 0:
            debit, credit = credit, debit
            kind = 'invoice_credit' if kind == 'invoice' else kind + '_correction'
        return {'tenant_id': self.tenant, 'entry_id': self.bytes(16), 'posted_on': day, 'account_id': self.account, 'entry_type': kind,
                'debit_account': debit, 'credit_account': credit, 'amount_minor': abs(amount), 'currency': self.currency,
                'source': source, 'source_id': source_id, 'posted_at': self.random.randint(0, 2**60)}

    def make_line(self, plan, charge):
        metered, rated_on = charge['meter'] is not None, FIRST_DAY + self.days - self.random.randint(0, 2)
        window_no = self.windows[-1]['row']['window_no']
        days = self.days if metered else self.random.randint(1, self.days)
        quantity = self.quantity(charge, rated_on, window_no)
        if self.random.random() < 0.1:
            days, quantity = 0, '0'
        amount = rate(charge['price'], Fraction(quantity), Fraction(days, self.days), self.exponent)
        billed = self.random.choice([0, 0, amount, self.random.randint(-500, 500)])
        ids = {'tenant_id': self.tenant, 'rated_line_id': self.bytes(16), 'subscription_id': self.bytes(16),
               'charge_id': charge['id'], 'plan_id': plan['row']['plan_id'], 'version': plan['row']['version'], **self.period,
               'share_days': days, 'share_of_days': self.days, 'quantity': quantity, 'currency': self.currency}
        rated = ids | {'revision': 1, 'account_id': self.account, 'due_on': self.period['period_end'], 'amount_minor': amount,
                       'posted_minor': amount - self.random.choice([0, amount, 100]), 'rating_key': self.bytes(32), 'rated_on': rated_on,
                       'window_no': window_no, 'rated_at': self.random.randint(0, 2**60)}
        kind = 'usage' if metered else 'advance' if charge['in_advance'] else 'fee'
        return {'row': ids | {'rated_minor': amount, 'billed_minor': billed, 'amount_minor': amount - billed,
                              'is_correction': int(billed != 0)}, 'rated': rated,
                'entry': self.entry(rated['posted_minor'], kind, 'unbilled_receivable',
                                    'deferred_revenue' if kind == 'advance' else 'revenue', 'rated_line', ids['rated_line_id'], rated_on)}

    def make_invoice(self):
        subtotal, tax = sum(line['row']['amount_minor'] for line in self.lines), self.random.choice([0, 19])
        invoice_id, day = self.bytes(16), self.period['period_end']
        for number, line in enumerate(self.lines, 1):
            line['row'] |= {'invoice_id': invoice_id, 'line_no': number}
        self.invoice = {'tenant_id': self.tenant, 'invoice_id': invoice_id, 'account_id': self.account, 'legal_entity_id': 'GmbH',
                        'currency': self.currency, 'exponent': self.exponent, 'attempt': 1, 'number': 'INV-2026-000001',
                        'invoice_date': day, **self.period, 'due_date': day + 14, 'line_count': len(self.lines),
                        'content_hash': self.bytes(32), 'subtotal_minor': subtotal, 'tax_minor': tax, 'total_minor': subtotal + tax,
                        'finalized_at': self.random.randint(0, 2**60)}
        self.event = {'tenant_id': self.tenant, 'invoice_id': invoice_id, 'sequence': 2, 'from_status': 'draft', 'to_status': 'finalized',
                      'total_minor': subtotal + tax, 'actor_hash': self.bytes(32), 'occurred_at': self.random.randint(0, 2**60),
                      'salt': self.bytes(16), 'prev_hash': self.bytes(32), 'self_hash': self.bytes(32)}
        self.invoice_entry = self.entry(subtotal + tax, 'invoice', 'receivable', 'unbilled_receivable', 'invoice', invoice_id, day)


class Key:
    """The log's signing key, in a file."""

    def __init__(self, directory, name=ORIGIN):
        self.path, self.name = os.path.join(directory, 'key.pem'), name
        self.public = signing.make_key(self.path)
        self.vkey = canonical.vkey(name, self.public)

    def note(self, size, tree, name=None):
        text = f'{name or self.name}\n{size}\n{b64(tree)}\n'
        signature = signing.sign(self.path, text.encode())
        return f'{text}\n\u2014 {self.name} {b64(canonical.key_id(self.name, 1, self.public) + signature)}\n'


def hashes(nodes):
    return [b64(node) for node in nodes]


class Log:
    """Rows at random places among others."""

    def __init__(self, source, rows):
        count = len(rows) + source.randint(0, 80)
        self.leaves = [source.randbytes(32) for _ in range(count)]
        self.places = dict(zip((id(row) for _, row in rows), source.sample(range(count), len(rows))))
        for kind, row in rows:
            self.leaves[self.places[id(row)]] = leaf_hash(encode(kind, row))
        self.tree = canonical.root(self.leaves)

    def leaf(self, kind, row):
        if row is None:
            return None
        index = self.places[id(row)]
        return {'canon': b64(encode(kind, row)), 'index': str(index), 'proof': hashes(canonical.inclusion(index, self.leaves))}


def fill_hashes(scenario):
    """A hash that a row has already stays: a lie."""
    for plan in scenario.plans:
        plan['row'].setdefault('plan_hash', sha256(jcs(plan['terms']).encode()))
    for window in scenario.windows:
        window['row'].setdefault('counts_digest', canonical.root([leaf_hash(encode('count', count)) for count in window['counts']]))
    document = [encode('invoice', scenario.invoice), *(encode('invoice_line', line['row']) for line in scenario.lines)]
    scenario.event.setdefault('document_hash', canonical.root([leaf_hash(data) for data in document]))


def list_rows(scenario):
    rows = [('invoice_event', scenario.event), ('ledger_entry', scenario.invoice_entry)]
    for line in scenario.lines:
        rows += [('rated_line', line['rated']), ('ledger_entry', line['entry'])]
    rows += [('plan_version', plan['row']) for plan in scenario.plans]
    rows += [('usage_window', window['row']) for window in scenario.windows]
    return [row for row in rows if row[1] is not None]


def make_log(scenario):
    fill_hashes(scenario)
    return Log(scenario.random, list_rows(scenario))


def make_month(seed, count, key, lie=None):
    """A month's document: one tenant, an account each. The lie is told of the scenarios, before the logs are made."""
    scenarios = [Scenario(seed + i, plans=1, tenant='tenant', account=f'account {i}', days=31) for i in range(count)]
    if lie:
        lie(scenarios)
    return {'format': 'billing-month/v1', 'tenant': 'tenant', 'month': '2026-02', 'bundles': [assemble(scenario, key) for scenario in scenarios]}


def assemble(scenario, key, log=None):
    """The bundle as a document."""
    log = log or make_log(scenario)
    older = scenario.random.choice([None, *range(len(log.leaves) + 1)])
    return {
        'format': 'billing-bundle/v1', 'checkpoint': key.note(len(log.leaves), log.tree), 'vkey': key.vkey,
        'consistency': None if older is None else {
            'checkpoint': key.note(older, canonical.root(log.leaves[:older])), 'vkey': key.vkey,
            'proof': hashes(canonical.consistency(older, log.leaves))},
        'invoice': {'canon': b64(encode('invoice', scenario.invoice)),
                    'lines': [b64(encode('invoice_line', line['row'])) for line in scenario.lines],
                    'event': log.leaf('invoice_event', scenario.event), 'entry': log.leaf('ledger_entry', scenario.invoice_entry)},
        'lines': [{'rated': log.leaf('rated_line', line['rated']), 'entry': log.leaf('ledger_entry', line['entry'])}
                  for line in scenario.lines],
        'plans': [{'leaf': log.leaf('plan_version', plan['row']), 'terms': plan['terms']} for plan in scenario.plans],
        'windows': [{'leaf': log.leaf('usage_window', window['row']), 'counts': [b64(encode('count', count)) for count in window['counts']]}
                    for window in scenario.windows]}


def write(path, text):
    with open(path, 'wb') as file:
        file.write(text.encode())


def main():
    path, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    with tempfile.TemporaryDirectory() as directory:
        document = assemble(Scenario(seed), Key(directory))
    write(path, jcs(document))
    write(path + '.vkey', document['vkey'] + '\n')
    if document['consistency']:
        write(path + '.older', document['consistency']['checkpoint'])
    print(f'{path}: seed {seed}')


if __name__ == '__main__':
    main()
