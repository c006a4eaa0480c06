#!/usr/bin/env python3
"""Months of bundles, months.py [SEED]: true ones are told invoice by invoice, false ones are refused by both verifiers."""

import copy
import json
import random
import sys
import tempfile

from canonical import jcs, root, sha256
from harness import Tap, run_bytes
from lies import change, second_opinion
from make_bundle import FIRST_DAY, Key, Scenario, assemble, make_log, make_month

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(2**32)
JANUARY_31, MARCH_1 = FIRST_DAY + 30, FIRST_DAY + 59


def date(scenario, day):
    """Another invoice date, in the posting too."""
    change(scenario.invoice, invoice_date=day)
    if scenario.invoice_entry:
        change(scenario.invoice_entry, posted_on=day)


# What is told, what billing-verify says to it, and the lie.
ROWS = [
    ('an invoice of the day before', 'not dated in the month', lambda s: date(s[0], JANUARY_31)),
    ('an invoice of the day after', 'not dated in the month', lambda s: date(s[2], MARCH_1)),
    ('an invoice of the first day after one of the second', 'out of order', lambda s: date(s[0], MARCH_1 - 1)),
    ('an amount that the invoice does not come to', 'bundles[1].invoice: total_minor is not', lambda s: change(s[1].invoice, tax_minor=7)),
    ('a charge that is not in the plan', 'bundles[2].lines[0]', lambda s: [change(s[2].lines[0][of], charge_id='none') for of in ('row', 'rated')]),
]
TRUE_DATES = [FIRST_DAY + 31, FIRST_DAY + 58]


def bundles(document):
    return document['bundles']


def swap(document):
    bundles(document)[0], bundles(document)[1] = bundles(document)[1], bundles(document)[0]


DOCUMENTS = [
    ('an unknown member', 'unknown member', lambda d: change(d, note='x')),
    ('a missing member', 'no member', lambda d: d.pop('tenant')),
    ('a member of another type', 'not an array', lambda d: change(d, bundles={})),
    ('another format', 'not a document of format', lambda d: change(d, format='billing-month/v2')),
    ('a month in a month', 'bundles[0].format: not a document of format', lambda d: bundles(d).__setitem__(0, copy.deepcopy(d))),
    ('a bundle that is none', 'bundles[1].format', lambda d: bundles(d).__setitem__(1, 7)),
    ('no invoice', 'without invoices', lambda d: change(d, bundles=[])),
    ('another tenant', 'another tenant', lambda d: change(d, tenant='tenant 2')),
    ('the beginning of the tenant', 'another tenant', lambda d: change(d, tenant='tenan')),
    ('another month', 'not dated in the month', lambda d: change(d, month='2026-03')),
    ('the month of another year', 'not dated in the month', lambda d: change(d, month='2025-02')),
    ('a month with a day', 'not a month', lambda d: change(d, month='2026-02-01')),
    ('a month without zero', 'not a month', lambda d: change(d, month='2026-2')),
    ('month 13', 'not a month', lambda d: change(d, month='2026-13')),
    ('month 00', 'not a month', lambda d: change(d, month='2026-00')),
    ('year 0', 'not a month', lambda d: change(d, month='0000-02')),
    ('digits that are none of ASCII', 'not a month', lambda d: change(d, month='2026-0\u0662')),
    ('an invoice twice', 'out of order', lambda d: bundles(d).insert(1, copy.deepcopy(bundles(d)[0]))),
    ('an invoice twice, at the end', 'out of order', lambda d: bundles(d).append(copy.deepcopy(bundles(d)[0]))),
    ('invoices exchanged', 'out of order', swap),
    ('a bundle with an unknown member', 'bundles[1]: unknown member', lambda d: change(bundles(d)[1], note='x')),
    ('a line less', 'bundles[2].lines', lambda d: bundles(d)[2]['lines'].pop()),
    ('another index', 'bundles[1].invoice.event: not shown', lambda d: change(bundles(d)[1]['invoice']['event'], index=str(int(bundles(d)[1]['invoice']['event']['index']) ^ 1))),
]


def check(tap, what, data, vkey, reason):
    status, output, _ = run_bytes(data, '--key', vkey)
    tap.ok(status in (1, 2) and output.startswith(('refuted: ', 'unreadable: ')) and reason in output, what, output)
    second, text = second_opinion(data, vkey)
    tap.ok(second in (1, 2), f'{what}, by the second verifier', text)


def same_size(first, second):
    """Two logs of different rows, filled up to one size."""
    logs = [make_log(first), make_log(second)]
    size = max(len(log.leaves) for log in logs)
    for log in logs:
        log.leaves += [sha256(bytes([n])) for n in range(size - len(log.leaves))]
        log.tree = root(log.leaves)
    return logs


def check_two_histories(tap, key):
    scenarios = [Scenario(SEED + i, plans=1, tenant='tenant', account=f'account {i}', days=31) for i in range(2)]
    logs = same_size(*scenarios)
    document = {'format': 'billing-month/v1', 'tenant': 'tenant', 'month': '2026-02',
                'bundles': [assemble(scenario, key, log) for scenario, log in zip(scenarios, logs)]}
    check(tap, 'two roots for one size', jcs(document).encode(), key.vkey, 'another root for the same')


def check_truth(tap, key):
    document = make_month(SEED, 3, key, lambda s: [date(s[0], TRUE_DATES[0]), date(s[2], TRUE_DATES[1])])
    data = jcs(document).encode()
    status, output, _ = run_bytes(data, '--key', key.vkey)
    lines = output.split('\n')
    tap.ok(status == 0 and lines[0].startswith('valid: 3 invoices of tenant in 2026-02, 15 lines, '), 'a month', output)
    tap.ok([line.split(':')[0] for line in lines[1:4]] == [f'invoice INV-2026-000001 of account account {i}' for i in range(3)]
           and lines[4].startswith('total: '), 'is told by invoice, and its total', output)
    tap.ok(second_opinion(data, key.vkey)[0] == 0, 'and accepted by the second verifier', second_opinion(data, key.vkey))
    status, output, _ = run_bytes(data, '--json', '--key', key.vkey)
    told = json.loads(output)
    sums = {}
    for invoice in told['invoices']:
        sums[invoice['currency']] = sums.get(invoice['currency'], 0) + int(invoice['total_minor'])
    tap.ok((status, told['outcome'], told['tenant'], told['month'], len(told['invoices'])) == (0, 'valid', 'tenant', '2026-02', 3)
           and {total['currency']: int(total['total_minor']) for total in told['totals']} == sums, 'for machines', output)
    status, output, _ = run_bytes(data)
    tap.ok(status == 0 and output.count(key.vkey) == 1, 'without a key it tells the one in the bundles, once', output)
    with tempfile.TemporaryDirectory() as directory:
        check(tap, 'another key', data, Key(directory).vkey, 'another key')
    one = make_month(SEED, 1, key)
    tap.ok(run_bytes(jcs(one).encode(), '--key', key.vkey)[0] == 0, 'a month of one invoice')
    return make_month(SEED, 3, key)


def main():
    print('# seed', SEED)
    tap = Tap()
    with tempfile.TemporaryDirectory() as directory:
        key = Key(directory)
        honest = check_truth(tap, key)
        for number, (what, reason, lie) in enumerate(ROWS):
            check(tap, what, jcs(make_month(SEED + 100 * number, 3, key, lie)).encode(), key.vkey, reason)
        for what, reason, lie in DOCUMENTS:
            document = copy.deepcopy(honest)
            lie(document)
            check(tap, what, jcs(document).encode(), key.vkey, reason)
        check_two_histories(tap, key)
    tap.end()


if __name__ == '__main__':
    main()
