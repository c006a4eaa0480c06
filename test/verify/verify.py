#!/usr/bin/env python3
"""A second verifier of evidence bundles, which shares no code with billing-verify: verify.py BUNDLE [--key VKEY].

It needs the standard library and the openssl command. The exit status and the order of the checks are billing-verify's.
"""

import argparse
import datetime
import re
import sys
from fractions import Fraction

import canonical
import signing
from canonical import decode, jcs, leaf_hash, node_hash, read_jcs, sha256, unb64

INDEX_MAX = 2**63 - 2
INT64_MAX = 2**63 - 1
DAY = 86400 * 10**6
EPOCH = datetime.date(1970, 1, 1)


class Refuted(Exception):
    pass


class Unreadable(Exception):
    pass


def hold(condition, what):
    if not condition:
        raise Refuted(what)


def form(condition, what):
    if not condition:
        raise Unreadable(what)


def members(value, names, where):
    form(isinstance(value, dict) and set(value) == set(names.split()), f'{where}: other members than {names}')
    return [value[name] for name in names.split()]


def array(value, where):
    form(isinstance(value, list), f'{where}: not an array')
    return value


def string(value, where):
    form(isinstance(value, str) and '\0' not in value, f'{where}: not a text')
    return value


def binary(value, where, length=None):
    try:
        data = unb64(string(value, where))
    except ValueError as error:
        raise Unreadable(f'{where}: {error}') from error
    form(length in (None, len(data)), f'{where}: not {length} bytes')
    return data


def number(value, where, largest=INDEX_MAX):
    form(re.fullmatch('0|[1-9][0-9]{0,18}', string(value, where), re.ASCII) and int(value) <= largest, f'{where}: not an index')
    return int(value)


def row(kind, value, where):
    try:
        data = binary(value, where)
        return data, decode(kind, data)
    except ValueError as error:
        raise Refuted(f'{where}: {error}') from error


class Leaf:
    def __init__(self, kind, value, where):
        canon, index, proof = members(value, 'canon index proof', where)
        self.where = where
        self.data, self.row = row(kind, canon, where)
        self.index = number(index, where)
        self.proof = [binary(node, where, 32) for node in array(proof, where)]

    def __getitem__(self, name):
        return self.row[name]


# --- the log -------------------------------------------------------------------------------------------------------

def read_key(text):
    match = re.fullmatch(r'([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)', text)
    form(match, 'vkey: malformed')
    key = binary(match[3], 'vkey', 33)
    form(key[0] == 1 and canonical.key_id(match[1], 1, key[1:]).hex() == match[2], 'vkey: wrong type or id')
    return match[1], key[1:]


def open_note(note, vkey, where):
    """The origin, size and root of a note with one signature, that of the key."""
    name, public = read_key(vkey)
    text, _, lines = note.rpartition('\n\n')
    text += '\n'
    form(len(note.encode()) <= 131072 and not re.search(r'[\0-\x09\x0b-\x1f]', note) and lines, f'{where}: no note')
    match = re.fullmatch(r'\u2014 (\S+) ([A-Za-z0-9+/=]+)\n', lines)
    hold(match, f'{where}: not one signature')
    blob = binary(match[2], where)
    hold(match[1] == name and blob[:4] == canonical.key_id(name, 1, public), f'{where}: signed by another key')
    hold(len(blob) == 68 and signing.verify(public, text.encode(), blob[4:]), f'{where}: the signature does not hold')
    body = re.fullmatch(r'(.+)\n(.+)\n(.+)\n', text)
    form(body and body[1] == name, f'{where}: no checkpoint')
    size, tree = number(body[2], where, INT64_MAX), binary(body[3], where, 32)
    form(size > 0 or tree == sha256(b''), f'{where}: the empty tree has another root')
    return name, size, tree


def root_of_inclusion(index, size, leaf, proof):
    """The root that the proof leads to, from the top down (RFC 6962 2.1.1)."""
    if size == 1:
        hold(not proof, 'a proof that is too long')
        return leaf
    hold(proof, 'a proof that is too short')
    k = canonical.split(size)
    if index < k:
        return node_hash(root_of_inclusion(index, k, leaf, proof[:-1]), proof[-1])
    return node_hash(proof[-1], root_of_inclusion(index - k, size - k, leaf, proof[:-1]))


def roots_of_consistency(older, newer, known, proof):
    """Both roots, from the top down (RFC 6962 2.1.2); known is the older root while its tree is complete."""
    if older == newer:
        if known is not None:
            hold(not proof, 'a proof that is too long')
            return known, known
        hold(len(proof) == 1, 'a proof of another length')
        return proof[0], proof[0]
    hold(proof, 'a proof that is too short')
    k = canonical.split(newer)
    if older <= k:
        left_older, left_newer = roots_of_consistency(older, k, known, proof[:-1])
        return left_older, node_hash(left_newer, proof[-1])
    right_older, right_newer = roots_of_consistency(older - k, newer - k, None, proof[:-1])
    return node_hash(proof[-1], right_older), node_hash(proof[-1], right_newer)


def check_consistency(older, older_root, newer, newer_root, proof):
    hold(older <= newer, 'consistency: the log shrank')
    if older in (0, newer):
        hold(not proof and older_root == (newer_root if older == newer else sha256(b'')), 'consistency: another root')
        return
    hold(roots_of_consistency(older, newer, older_root, proof) == (older_root, newer_root), 'consistency: another root')


def check_older(value, origin, size, tree):
    if value is None:
        return
    note, vkey, proof = members(value, 'checkpoint vkey proof', 'consistency')
    older_origin, older, older_root = open_note(string(note, 'consistency'), string(vkey, 'consistency'), 'consistency')
    hold(older_origin == origin, 'consistency: another log')
    check_consistency(older, older_root, size, tree, [binary(node, 'consistency', 32) for node in array(proof, 'consistency')])


def check_leaves(leaves, size, tree):
    for leaf in leaves:
        hold(leaf.index < size, f'{leaf.where}: past the end of the log')
        hold(len(leaf.proof) <= 64 and root_of_inclusion(leaf.index, size, leaf_hash(leaf.data), leaf.proof) == tree,
             f'{leaf.where}: not in the log')
    hold(len({leaf.index for leaf in leaves}) == len(leaves), 'two leaves are one')


# --- price ---------------------------------------------------------------------------------------------------------

# The members of each model's price: those it has, and those it may have besides.
MODELS = {'flat': ('amount', ''), 'unit': ('unit', 'per minimum maximum'), 'package': ('unit', 'per minimum maximum'),
          'percentage': ('percent', 'flat minimum maximum'), 'graduated': ('tiers', 'per minimum maximum'),
          'volume': ('tiers', 'per minimum maximum'), 'graduated_percentage': ('tiers', 'minimum maximum'),
          'stairstep': ('tiers', 'minimum maximum')}


def check_price(price):
    hold(price.get('model') in MODELS, 'price: unknown model')
    needed, allowed = (set(names.split()) for names in MODELS[price['model']])
    given = set(price) - {'model'}
    hold(needed <= given <= needed | allowed, 'price: other members than its model has')
    tiers = price.get('tiers', [])
    form(all(isinstance(tier['up_to'], str) for tier in tiers[:-1]), 'price: a number that is not a string')
    ends = [Fraction(tier['up_to']) for tier in tiers[:-1]]
    hold('tiers' not in price or tiers and tiers[-1]['up_to'] is None and all(one < other for one, other in zip([0, *ends], ends)),
         'price: tiers that are not in order')
    values = [price[name] for name in given - {'tiers'}]
    values += [value for tier in tiers for name, value in tier.items() if name != 'up_to']
    hold(all(isinstance(value, str) and re.fullmatch(r'[0-9]+(\.[0-9]{1,18})?', value, re.ASCII) for value in values),
         'price: not a decimal, or negative')


def slices(tiers, quantity):
    """Tier and quantity of each tier reached."""
    lower = Fraction(0)
    for tier in tiers:
        if quantity <= lower:
            return
        upper = quantity if tier['up_to'] is None else min(quantity, Fraction(tier['up_to']))
        yield tier, upper - lower
        lower = upper


def amount_of(price, quantity):
    """What a quantity that is not negative costs, in major units, before minimum and maximum."""
    model, per = price['model'], Fraction(price.get('per', '1'))
    tiers = price.get('tiers', [])
    if model == 'package':
        return -(-quantity // per) * Fraction(price['unit'])
    if model == 'unit':
        return quantity * Fraction(price['unit']) / per
    if model == 'percentage':
        return quantity * Fraction(price['percent']) / 100 + (Fraction(price.get('flat', '0')) if quantity else 0)
    if model in ('graduated', 'graduated_percentage'):
        taken = list(slices(tiers, quantity))
    else:
        taken = [(tier, quantity) for tier, _ in list(slices(tiers, quantity))[-1:]]
    if model.endswith('percentage'):
        per = Fraction(100)
    return sum((part * Fraction(tier.get('unit', tier.get('percent', '0'))) / per + Fraction(tier.get('flat', '0'))
                for tier, part in taken), Fraction(0))


def rate(price, quantity, share, exponent):
    """Minor units, rounded once, half away from zero."""
    if price['model'] == 'flat':
        amount, sign = Fraction(price['amount']), 1
    else:
        amount, sign = amount_of(price, abs(quantity)), -1 if quantity < 0 else 1
        if sign > 0 and 'minimum' in price:
            amount = max(amount, Fraction(price['minimum']))
        if 'maximum' in price:
            amount = min(amount, Fraction(price['maximum']))
    return sign * ((amount * share * 10**exponent * 2 + 1) // 2)


# --- the invoice ---------------------------------------------------------------------------------------------------

def same(left, right, names, where):
    for name in names.split():
        one, _, other = name.partition('=')
        hold(left[one] == right[other or one], f'{where}: {one} differs')


def only_strings(value):
    return isinstance(value, dict) and all(isinstance(inner, str) for inner in value.values())


class Bundle:
    def __init__(self, document):
        form(isinstance(document, dict) and document.get('format') == 'billing-bundle/v1', 'another format')
        (_, self.note, self.vkey, self.older, invoice, lines, plans, windows) = members(
            document, 'format checkpoint vkey consistency invoice lines plans windows', 'document')
        string(self.note, 'checkpoint')
        string(self.vkey, 'vkey')
        self.read_invoice(invoice)
        self.read_lines(lines)
        self.plans = []
        for element in array(plans, 'plans'):
            leaf, terms = members(element, 'leaf terms', 'plans')
            form(isinstance(terms, dict), 'terms: not an object')
            self.plans.append((Leaf('plan_version', leaf, 'plan'), terms))
        self.windows = []
        for element in array(windows, 'windows'):
            leaf, counts = members(element, 'leaf counts', 'windows')
            self.windows.append((Leaf('usage_window', leaf, 'window'),
                                 [row('count', count, 'count') for count in array(counts, 'counts')]))

    def read_invoice(self, value):
        canon, lines, event, entry = members(value, 'canon lines event entry', 'invoice')
        self.invoice_data, self.invoice = row('invoice', canon, 'invoice')
        self.lines = [row('invoice_line', line, 'line') for line in array(lines, 'invoice.lines')]
        self.event = Leaf('invoice_event', event, 'invoice.event')
        self.entry = None if entry is None else Leaf('ledger_entry', entry, 'invoice.entry')

    def read_lines(self, value):
        self.rated = []
        for element in array(value, 'lines'):
            rated, entry = members(element, 'rated entry', 'lines')
            self.rated.append((Leaf('rated_line', rated, 'rated'),
                               None if entry is None else Leaf('ledger_entry', entry, 'entry')))
        hold(len(self.rated) == len(self.lines), 'lines: another number than the invoice has')

    def leaves(self):
        entries = [entry for _, entry in self.rated] + [self.entry]
        return [self.event, *(rated for rated, _ in self.rated), *(entry for entry in entries if entry),
                *(leaf for leaf, _ in self.plans), *(leaf for leaf, _ in self.windows)]


def check_document(bundle):
    invoice, event = bundle.invoice, bundle.event
    tree = canonical.root([leaf_hash(data) for data in [bundle.invoice_data, *(data for data, _ in bundle.lines)]])
    hold(event['document_hash'] == tree, 'document_hash is another')
    hold(event['to_status'] == 'finalized', 'not finalized')
    same(event, invoice, 'tenant_id invoice_id total_minor', 'event')
    hold(invoice['line_count'] == len(bundle.lines) > 0, 'line_count is another')
    for number_wanted, (_, line) in enumerate(bundle.lines, 1):
        hold(line['line_no'] == number_wanted, 'line_no does not count from 1')
        same(line, invoice, 'tenant_id invoice_id currency', 'line')
    hold(sum(line['amount_minor'] for _, line in bundle.lines) == invoice['subtotal_minor'], 'subtotal_minor is another')
    hold(invoice['subtotal_minor'] + invoice['tax_minor'] == invoice['total_minor'], 'total_minor is another')


def check_windows(bundle):
    before = None
    for leaf, counts in bundle.windows:
        rows = [count for _, count in counts]
        hold(leaf['tenant_id'] == bundle.invoice['tenant_id'], 'window: another tenant')
        hold(canonical.root([leaf_hash(data) for data, _ in counts]) == leaf['counts_digest'], 'counts_digest is another')
        hold(rows and leaf['sequence'] > 0 and leaf['window_no'] > 0, 'an empty window')
        for count in rows:
            hold(only_strings(count['dimensions']) and count['events'] > 0 and count['latest_at'] // DAY == count['day']
                 and count['aggregation'] in ('sum', 'count', 'max', 'latest'), 'a count that cannot be')
        keys = [(count['day'], count['account_id'].encode(), count['meter_id'].encode(), jcs(count['dimensions']).encode())
                for count in rows]
        hold(all(one < other for one, other in zip(keys, keys[1:])), 'counts out of order')
        hold(sum(count['events'] for count in rows) == leaf['rows_processed'], 'rows_processed is another')
        hold((keys[0][0], keys[-1][0]) == (leaf['first_day'], leaf['last_day']), 'first_day or last_day is another')
        if before is not None:
            hold(leaf['sequence'] == before['sequence'] + 1 and leaf['window_no'] > before['window_no']
                 and leaf['prev_hash'] == before['self_hash'], 'a window does not continue the one before')
        before = leaf


def read_terms(bundle):
    terms = {}
    keys = [(leaf['plan_id'].encode(), leaf['version']) for leaf, _ in bundle.plans]
    hold(all(one < other for one, other in zip(keys, keys[1:])), 'plans out of order')
    for leaf, plan in bundle.plans:
        hold(sha256(jcs(plan).encode()) == leaf['plan_hash'], 'plan_hash is another')
        currency, months, charges = members(plan, 'currency period_months charges', 'terms')
        hold((currency, months) == (leaf['currency'], leaf['period_months']), 'terms: differ from the plan version')
        hold(currency == bundle.invoice['currency'], 'terms: another currency than the invoice')
        for charge in array(charges, 'charges'):
            members(charge, 'id name meter filter price in_advance prorate', 'charge')
            form(only_strings(charge['filter']) and isinstance(charge['price'], dict), 'charge: malformed')
            key = (leaf['plan_id'], leaf['version'], charge['id'])
            hold(key not in terms, 'a charge twice')
            check_price(charge['price'])
            terms[key] = charge
    return terms


def candidates(counts):
    """The quantities that the counts, in the order of their windows, may come to."""
    if not counts:
        return [Fraction(0)]
    kinds = {count['aggregation'] for count in counts}
    hold(len(kinds) == 1, 'counts with different aggregations')
    quantities = [Fraction(count['quantity']) for count in counts]
    kind = kinds.pop()
    if kind != 'latest':
        return [max(quantities) if kind == 'max' else sum(quantities)]
    newest = max(count['latest_at'] for count in counts)
    return list({jcs(count['dimensions']): Fraction(count['quantity'])
                 for count in counts if count['latest_at'] == newest}.values())


def check_quantity(bundle, line, rated, charge):
    fell_away = line['share_days'] == 0
    if fell_away or charge['meter'] is None:
        hold(line['quantity'] == ('0' if fell_away else '1'), 'a quantity without usage')
        return 0
    counts = [count for leaf, counts in bundle.windows if leaf['window_no'] <= rated['window_no'] for _, count in counts
              if count['meter_id'] == charge['meter'] and count['account_id'] == rated['account_id']
              and line['period_start'] <= count['day'] < line['period_end'] and count['day'] <= rated['rated_on']
              and charge['filter'].items() <= count['dimensions'].items()]
    hold(Fraction(line['quantity']) in candidates(counts), 'the counts come to another quantity')
    return rated['window_no']


def check_line(bundle, number_of_line, terms):
    (_, line), (rated, _) = bundle.lines[number_of_line], bundle.rated[number_of_line]
    same(line, rated, 'tenant_id rated_line_id subscription_id plan_id version charge_id period_start period_end share_days '
         'share_of_days quantity rated_minor=amount_minor currency', 'line')
    hold(rated['account_id'] == bundle.invoice['account_id'], 'rated: another account')
    hold(line['is_correction'] in (0, 1) and (line['is_correction'] or line['billed_minor'] == 0), 'billed_minor')
    hold(line['amount_minor'] == line['rated_minor'] - line['billed_minor'], 'amount_minor is another')
    charge = terms.get((line['plan_id'], line['version'], line['charge_id']))
    hold(charge, 'no terms for the line')
    window_no = check_quantity(bundle, line, rated, charge)
    hold(0 <= line['share_days'] <= line['share_of_days'] > 0 and 0 <= bundle.invoice['exponent'] <= 18, 'no share')
    share = Fraction(line['share_days'], line['share_of_days'])
    hold(rate(charge['price'], Fraction(line['quantity']), share, bundle.invoice['exponent']) == line['rated_minor'],
         'price x quantity x share is another amount')
    return charge, window_no


def check_entry(bundle, entry, amount, kind, debit, credit, source, source_id, day):
    hold((entry is not None) == (amount != 0), 'an entry too much or too little')
    if entry is None:
        return
    if amount < 0:
        debit, credit = credit, debit
        kind = 'invoice_credit' if kind == 'invoice' else kind + '_correction'
    same(entry, bundle.invoice, 'tenant_id account_id currency', 'entry')
    got = [entry[name] for name in 'entry_type debit_account credit_account source source_id posted_on amount_minor'.split()]
    hold(got == [kind, debit, credit, source, source_id, day, abs(amount)], 'entry: another posting')


def check_postings(bundle, charges):
    for charge, (rated, entry) in zip(charges, bundle.rated):
        kind = 'usage' if charge['meter'] is not None else 'advance' if charge['in_advance'] else 'fee'
        check_entry(bundle, entry, rated['posted_minor'], kind, 'unbilled_receivable',
                    'deferred_revenue' if kind == 'advance' else 'revenue', 'rated_line', rated['rated_line_id'],
                    rated['rated_on'])
    check_entry(bundle, bundle.entry, bundle.invoice['total_minor'], 'invoice', 'receivable', 'unbilled_receivable', 'invoice',
                bundle.invoice['invoice_id'], bundle.invoice['invoice_date'])


def verify_bundle(bundle, key=None):
    """What the bundle holds, its log's origin and root included."""
    origin, size, tree = open_note(bundle.note, bundle.vkey, 'checkpoint')
    hold(key in (None, bundle.vkey), 'vkey: another key than the one given')
    check_leaves(bundle.leaves(), size, tree)
    check_older(bundle.older, origin, size, tree)
    check_document(bundle)
    check_windows(bundle)
    terms = read_terms(bundle)
    checked = [check_line(bundle, i, terms) for i in range(len(bundle.lines))]
    hold({(line['plan_id'], line['version']) for _, line in bundle.lines}
         == {(leaf['plan_id'], leaf['version']) for leaf, _ in bundle.plans}, 'a plan that no line names')
    hold(not bundle.windows or bundle.windows[-1][0]['window_no'] <= max(window_no for _, window_no in checked),
         'a window that no line draws on')
    check_postings(bundle, [charge for charge, _ in checked])
    return {'lines': len(bundle.lines), 'counts': sum(len(counts) for _, counts in bundle.windows),
            'events': sum(leaf['rows_processed'] for leaf, _ in bundle.windows), 'windows': len(bundle.windows),
            'leaves': size, 'log': (origin, size, tree)}


def verify_month(document, key=None):
    """What the bundles of a month hold, one after the other."""
    _, tenant, month, bundles = members(document, 'format tenant month bundles', 'month')
    match = re.fullmatch('([0-9]{4})-([0-9]{2})', string(month, 'month'), re.ASCII)
    form(match and match[1] != '0000' and 1 <= int(match[2]) <= 12, 'month: malformed')
    string(tenant, 'tenant')
    hold(array(bundles, 'bundles'), 'a month without invoices')
    bundles = [Bundle(bundle) for bundle in bundles]
    found = [verify_bundle(bundle, key) for bundle in bundles]
    invoices = [bundle.invoice for bundle in bundles]
    for invoice in invoices:
        hold(invoice['tenant_id'] == tenant, 'an invoice of another tenant')
        hold(-719162 <= invoice['invoice_date'] <= 2932896, 'a date that is not of the years 1 to 9999')
        hold((EPOCH + datetime.timedelta(invoice['invoice_date'])).strftime('%Y-%m').rjust(7, '0') == month, 'an invoice of another month')
    keys = [(invoice['invoice_date'], invoice['account_id'].encode(), invoice['currency'].encode()) for invoice in invoices]
    hold(all(one < other for one, other in zip(keys, keys[1:])), 'invoices out of order')
    roots = {}
    for origin, size, tree in (one['log'] for one in found):
        hold(roots.setdefault((origin, size), tree) == tree, 'two roots for one size')
    hold(abs(sum(invoice['total_minor'] for invoice in invoices)) <= INT64_MAX, 'more than an amount can be')
    return found


def verify(data, key=None):
    """What the document holds, a list for a month; Refuted or Unreadable otherwise."""
    try:
        document = read_jcs(data)
    except ValueError as error:
        raise Unreadable(f'not canonical JSON: {error}') from error
    if isinstance(document, dict) and document.get('format') == 'billing-month/v1':
        return verify_month(document, key)
    return verify_bundle(Bundle(document), key)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('bundle')
    parser.add_argument('--key')
    arguments = parser.parse_args()
    try:
        with open(arguments.bundle, 'rb') as file:
            print('valid:', verify(file.read(), arguments.key))
    except Refuted as error:
        print('refuted:', error)
        return 1
    except (Unreadable, OSError) as error:
        print('unreadable:', error)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
