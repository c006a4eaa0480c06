#!/usr/bin/env python3
"""Bundles that are signed by the right key and say something false: each is refused by both verifiers, and for its reason.

A lie about a row is told before the log is made, so that every hash and signature fits it; one about the document after.
"""

import copy
import random
import sys
import tempfile

import signing
import verify
from canonical import b64, jcs, sha256
from harness import Tap, run_bytes
from make_bundle import Key, Scenario, assemble

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(2**32)


def line(scenario, wanted=lambda line: True):
    return next(line for line in scenario.lines if wanted(line))


def metered(scenario):
    return line(scenario, lambda line: line['rated']['charge_id'].startswith('use') and line['row']['share_days'])


def posted(scenario):
    return line(scenario, lambda line: line['entry'])


def change(row, **columns):
    row.update(columns)


def both(line, **columns):
    line['row'].update(columns)
    line['rated'].update(columns)


def add_total(scenario, difference):
    for row in (scenario.invoice, scenario.event):
        row['total_minor'] += difference


# What is told, what billing-verify says to it, and the lie.
ROWS = [
    ('another tenant in the event', 'tenant_id is not that of the invoice', lambda s: change(s.event, tenant_id='t')),
    ('another invoice in the event', 'invoice_id is not that of the invoice', lambda s: change(s.event, invoice_id=bytes(16))),
    ('a draft', 'to_status is not', lambda s: change(s.event, to_status='draft')),
    ('an event with another total', 'total_minor is not that of the invoice', lambda s: change(s.event, total_minor=7)),
    ('an event without a document', 'document_hash is missing', lambda s: change(s.event, document_hash=b'') or s.event.__setitem__('document_hash', None)),
    ('an event of another document', 'not those of the document_hash', lambda s: change(s.event, document_hash=bytes(32))),
    ('a line too much counted', 'line_count is not', lambda s: change(s.invoice, line_count=11)),
    ('a subtotal of a unit more', 'the lines add up to', lambda s: change(s.invoice, subtotal_minor=s.invoice['subtotal_minor'] + 1)),
    ('a total of a unit more', 'total_minor is not subtotal_minor', lambda s: add_total(s, 1)),
    ('a tax that is not in the total', 'total_minor is not subtotal_minor', lambda s: change(s.invoice, tax_minor=1)),
    ('lines numbered from 0', 'line_no is 0, not 1', lambda s: change(s.lines[0]['row'], line_no=0)),
    ('a line in another currency', 'currency is not that of the invoice', lambda s: change(s.lines[0]['row'], currency='USD')),
    ('a line of another tenant', 'tenant_id is not that of the invoice', lambda s: change(s.lines[0]['row'], tenant_id='t')),
    ('a line of another invoice', 'invoice_id is not that of the invoice', lambda s: change(s.lines[0]['row'], invoice_id=bytes(16))),
    ('a line with another quantity', 'quantity is not that of its rated line', lambda s: change(s.lines[0]['row'], quantity='0.5')),
    ('a line of another period', 'period_end is not that of its rated line', lambda s: change(s.lines[0]['row'], period_end=9)),
    ('a line of another charge', 'charge_id is not that of its rated line', lambda s: change(s.lines[0]['row'], charge_id='c')),
    ('a line of another rated line', 'rated_line_id is not that of its rated line', lambda s: change(s.lines[0]['rated'], rated_line_id=bytes(16))),
    ('a rated line of another account', 'account_id is not that of the invoice', lambda s: change(s.lines[0]['rated'], account_id='a')),
    ('a rated line of another tenant', 'tenant_id is not that of its rated line', lambda s: change(s.lines[0]['rated'], tenant_id='t')),
    ('a charge that is not in the plan', 'have charge "none"', lambda s: both(s.lines[0], charge_id='none')),
    ('a version that is not there', 'no terms of plan', lambda s: both(s.lines[0], version=77)),
    ('billed before, and no correction', 'no correction', lambda s: change(s.lines[0]['row'], is_correction=0, billed_minor=5)),
    ('a correction neither true nor false', 'neither true nor false', lambda s: change(s.lines[0]['row'], is_correction=2)),
    ('a quantity that was not counted', 'but the counts come to', lambda s: both(metered(s), quantity='123456.789')),
    ('a fee twice', 'of a charge without usage', lambda s: both(line(s, lambda l: l['row']['charge_id'] == 'fee True'), quantity='2', share_days=1)),
    ('a share of more than the whole', 'is no share', lambda s: both(s.lines[-1], share_days=32, quantity='1')),
    ('a share of nothing', 'is no share', lambda s: both(s.lines[-1], share_days=1, share_of_days=0, quantity='1')),
    ('an exponent out of range', 'exponent is not from 0', lambda s: change(s.invoice, exponent=19)),
    ('an exponent of another currency', 'price x quantity x share is', lambda s: change(s.invoice, exponent=s.exponent + 1)),
    ('counts of another digest', 'not those of the counts_digest', lambda s: change(s.windows[0]['row'], counts_digest=bytes(32))),
    ('a row that was not counted', 'rows_processed is not', lambda s: change(s.windows[0]['row'], rows_processed=1)),
    ('an earlier first day', 'first_day and last_day', lambda s: change(s.windows[0]['row'], first_day=1)),
    ('a later last day', 'first_day and last_day', lambda s: change(s.windows[0]['row'], last_day=10**6)),
    ('a gap in the chain', 'sequence', lambda s: change(s.windows[-1]['row'], sequence=99)),
    ('windows out of order', 'window_no does not grow', lambda s: change(s.windows[-1]['row'], window_no=1)),
    ('windows that are not a chain', 'prev_hash is not', lambda s: change(s.windows[-1]['row'], prev_hash=bytes(32))),
    ('a window of another tenant', 'tenant_id is not that of the invoice', lambda s: change(s.windows[0]['row'], tenant_id='t')),
    ('a window before the first', 'count from 1', lambda s: change(s.windows[0]['row'], sequence=0)),
    ('a window without counts', 'a window without counts', lambda s: s.windows[0]['counts'].clear()),
    ('a window that was not rated', 'a window that no line draws on', lambda s: [change(l['rated'], window_no=1) or both(l, share_days=0, quantity='0') or
                                                                                 change(l['rated'], amount_minor=0) or change(l['row'], rated_minor=0, amount_minor=-l['row']['billed_minor'])
                                                                                 for l in s.lines] and settle(s)),
    ('counts out of order', 'out of order', lambda s: longest(s).reverse()),
    ('a count twice', 'out of order', lambda s: longest(s).insert(0, longest(s)[0])),
    ('a count without events', 'no events', lambda s: change(s.windows[0]['counts'][0], events=0)),
    ('a count of another day', 'latest_at is not within', lambda s: change(s.windows[0]['counts'][0], latest_at=0)),
    ('a count of another aggregation', 'unknown aggregation', lambda s: change(s.windows[0]['counts'][0], aggregation='mean')),
    ('dimensions that are a list', 'not an object of strings', lambda s: change(s.windows[0]['counts'][0], dimensions=['eu'])),
    ('dimensions with a number', 'not an object of strings', lambda s: change(s.windows[0]['counts'][0], dimensions={'gpu': 1})),
    ('terms of another hash', 'not those of the plan_hash', lambda s: change(s.plans[0]['row'], plan_hash=bytes(32))),
    ('a plan in another currency', 'another currency', lambda s: change(s.plans[0]['row'], currency='USD')),
    ('a plan with another period', 'another period_months', lambda s: change(s.plans[0]['row'], period_months=2)),
    ('a plan all in another currency', 'another currency than the invoice', lambda s: change(s.plans[0]['row'], currency='USD') or change(s.plans[0]['terms'], currency='USD')),
    ('a charge twice', 'a second charge', lambda s: s.plans[0]['terms']['charges'].append(s.plans[0]['terms']['charges'][0])),
    ('a negative price', 'is negative', lambda s: change(s.plans[0]['terms']['charges'][-1]['price'], amount='-1')),
    ('a price with a number', 'not a string', lambda s: change(s.plans[0]['terms']['charges'][-1]['price'], amount=1)),
    ('a posting of another amount', 'amount_minor is not what was to be posted', lambda s: change(posted(s)['entry'], amount_minor=10**15)),
    ('a posting of a negative amount', 'amount_minor is not what was to be posted', lambda s: change(posted(s)['entry'], amount_minor=-posted(s)['entry']['amount_minor'])),
    ('a posting of another account', 'account_id is not what', lambda s: change(posted(s)['entry'], account_id='a')),
    ('a posting of another tenant', 'tenant_id is not what', lambda s: change(posted(s)['entry'], tenant_id='t')),
    ('a posting in another currency', 'currency is not what', lambda s: change(posted(s)['entry'], currency='USD')),
    ('a posting on another day', 'posted_on is not what', lambda s: change(posted(s)['entry'], posted_on=3)),
    ('a posting by hand', 'source is not what', lambda s: change(posted(s)['entry'], source='hand')),
    ('a posting of another source', 'source_id is not what', lambda s: change(posted(s)['entry'], source_id=bytes(16))),
    ('a posting of another type', 'entry_type is not what', lambda s: change(posted(s)['entry'], entry_type='adjustment')),
    ('a posting to another account', 'debit_account is not what', lambda s: change(posted(s)['entry'], debit_account='cash')),
    ('a posting from another account', 'credit_account is not what', lambda s: change(posted(s)['entry'], credit_account='cash')),
    ('an invoice posted otherwise', 'invoice.entry', lambda s: change(s.invoice_entry, amount_minor=s.invoice_entry['amount_minor'] + 1)),
    ('a rated line that was not posted', 'no entry though', lambda s: change(posted(s), entry=None)),
    ('an invoice that was not posted', 'no entry though', lambda s: setattr(s, 'invoice_entry', None)),
    ('a posting of nothing', 'nothing was to be posted', lambda s: change(posted(s)['rated'], posted_minor=0)),
    ('a decimal with a zero at its end', 'decimal in canonical form', lambda s: both(s.lines[0], quantity='1.50')),
    ('a decimal with an exponent', 'decimal in canonical form', lambda s: both(s.lines[0], quantity='1e3')),
    ('a negative zero', 'decimal in canonical form', lambda s: both(s.lines[0], quantity='-0')),
    ('a text that is not UTF-8', 'not a text in UTF-8', lambda s: change(s.invoice, number=b'\xff')),
    ('a text with a zero byte', 'not a text in UTF-8', lambda s: change(s.invoice, number='a\0b')),
    ('a short uuid', 'not a uuid', lambda s: change(s.event, salt=bytes(15))),
    ('a long hash', 'not a hash', lambda s: change(s.event, self_hash=bytes(33))),
    ('a missing column', 'total_minor is missing', lambda s: change(s.event, total_minor=None)),
]


def longest(scenario):
    """The counts of a window that has more than one; the digest and the days fit any order of them."""
    return max((window['counts'] for window in scenario.windows), key=len)


def settle(scenario):
    """Makes the sums fit the lines again."""
    subtotal = sum(line['row']['amount_minor'] for line in scenario.lines)
    for row in (scenario.invoice, scenario.event):
        row['total_minor'] = subtotal + scenario.invoice['tax_minor']
    scenario.invoice['subtotal_minor'] = subtotal


def overcharge(scenario):
    """A minor unit more on one line, carried through to the invoice and the postings."""
    target = posted(scenario)
    target['row']['rated_minor'] += 1
    target['row']['amount_minor'] += 1
    target['rated']['amount_minor'] += 1
    settle(scenario)


def swap(document, left, right):
    document['lines'][left], document['lines'][right] = document['lines'][right], document['lines'][left]


def flip(text, at=5):
    return text[:at] + ('A' if text[at] != 'A' else 'B') + text[at + 1:]


def leaf(document):
    return document['invoice']['event']


DOCUMENTS = [
    ('an unknown member', 'unknown member', lambda d, k: change(d, note='x')),
    ('a missing member', 'no member', lambda d, k: d.pop('windows')),
    ('an unknown member of a leaf', 'unknown member', lambda d, k: change(leaf(d), extra=1)),
    ('an unknown member of the terms', 'not those of the plan_hash', lambda d, k: change(d['plans'][0]['terms'], extra=1)),
    ('another format', 'not a document of format', lambda d, k: change(d, format='billing-bundle/v2')),
    ('lines that are an object', 'not an array', lambda d, k: change(d, lines={})),
    ('an index as a number', 'not a string', lambda d, k: change(leaf(d), index=int(leaf(d)['index']))),
    ('an index with a leading zero', 'not an index', lambda d, k: change(leaf(d), index='0' + leaf(d)['index'])),
    ('an index past the end', 'outside the tree', lambda d, k: change(leaf(d), index='1000000')),
    ('the largest index', 'outside the tree', lambda d, k: change(leaf(d), index=str(2**63 - 2))),
    ('an index that is too large', 'not an index', lambda d, k: change(leaf(d), index=str(2**63 - 1))),
    ('another index', 'not shown to be leaf', lambda d, k: change(leaf(d), index=str(int(leaf(d)['index']) ^ 1))),
    ('a proof that is too long', 'not shown to be leaf', lambda d, k: leaf(d)['proof'].append(b64(bytes(32)))),
    ('a proof that is too short', 'not shown to be leaf', lambda d, k: leaf(d)['proof'].pop()),
    ('a proof of more than 64 hashes', 'more than 64', lambda d, k: change(leaf(d), proof=[b64(bytes(32))] * 65)),
    ('a hash of 31 bytes', 'not a hash of 32 bytes', lambda d, k: leaf(d)['proof'].append(b64(bytes(31)))),
    ('base64 without padding', 'not canonical base64', lambda d, k: change(leaf(d), canon=b64(b'abcd').rstrip('='))),
    ('base64 with stray bits', 'not canonical base64', lambda d, k: change(leaf(d), canon='YWJjZB==')),
    ('base64 with a line feed', 'not canonical base64', lambda d, k: change(leaf(d), canon=leaf(d)['canon'][:4] + '\n' + leaf(d)['canon'][4:])),
    ('lines exchanged', 'is not that of its rated line', lambda d, k: swap(d, 0, 1)),
    ('plans exchanged', 'not in the order', lambda d, k: d['plans'].reverse()),
    ('a plan twice', 'the same leaf of the log', lambda d, k: d['plans'].append(copy.deepcopy(d['plans'][0]))),
    ('a window twice', 'the same leaf of the log', lambda d, k: d['windows'].append(copy.deepcopy(d['windows'][-1]))),
    ('a line less', 'elements for an invoice of', lambda d, k: d['lines'].pop()),
    ('a window left out', '', lambda d, k: d['windows'].pop(1)),
    ('a count left out', 'not those of the counts_digest', lambda d, k: d['windows'][0]['counts'].pop()),
    ('a leaf of another kind', 'not the canonical bytes of kind', lambda d, k: change(leaf(d), **d['lines'][0]['rated'])),
    ('bytes after the columns', 'end within a column', lambda d, k: longer(leaf(d), b'\0')),
    ('a column after the last', 'unknown or out of order', lambda d, k: longer(leaf(d), bytes.fromhex('000e06') + bytes(4))),
    ('a column again', 'unknown or out of order', lambda d, k: longer(leaf(d), bytes.fromhex('000d06') + bytes(4))),
    ('a column longer than the rest', 'end within column tenant_id', lambda d, k: change(leaf(d), canon=b64(b'billing/v1/invoice_event\n' + bytes.fromhex('000104ffffffff')))),
    ('another root', 'signature', lambda d, k: change(d, checkpoint=d['checkpoint'].replace('\n', '\n1', 1))),
    ('another key', 'another key', lambda d, k: resign(d, k)),
    ('a key of another kind', 'no verifier key', lambda d, k: change(d, vkey=d['vkey'][:-4] + 'AAAA')),
    ('a second signature', '2 signatures', lambda d, k: change(d, checkpoint=d['checkpoint'] + d['checkpoint'].split('\n\n')[1])),
    ('a signature of a witness', '2 signatures', lambda d, k: change(d, checkpoint=d['checkpoint'] + f'\u2014 witness {b64(bytes(76))}\n')),
    ('a note without a signature', '', lambda d, k: change(d, checkpoint=d['checkpoint'].split('\n\n')[0] + '\n')),
    ('a checkpoint with a fourth line', 'not three lines', lambda d, k: change(d, checkpoint=sign_text(k, d['checkpoint'].split('\n\n')[0] + '\nmore\n'))),
    ('a checkpoint of another origin', 'origin', lambda d, k: change(d, checkpoint=sign_text(k, 'other' + d['checkpoint'].split('\n\n')[0] + '\n'))),
    ('a size with a leading zero', 'size', lambda d, k: change(d, checkpoint=sign_text(k, d['checkpoint'].split('\n\n')[0].replace('\n', '\n0', 1) + '\n'))),
    ('an older checkpoint with another root', '', lambda d, k: change(d, consistency=older(d, k, 3, bytes(32), []))),
    ('an older checkpoint with more leaves', '', lambda d, k: change(d, consistency=older(d, k, 10**6, bytes(32), []))),
    ('an older checkpoint of another log', 'origin', lambda d, k: change(d, consistency=older(d, k, 3, bytes(32), [], 'other.example/log'))),
    ('an older empty log with a root', '', lambda d, k: change(d, consistency=older(d, k, 0, bytes(32), []))),
    ('an older empty log with a proof', '', lambda d, k: change(d, consistency=older(d, k, 0, sha256(b''), [b64(bytes(32))]))),
]


def longer(value, data):
    value['canon'] = b64(verify.unb64(value['canon']) + data)


def sign_text(key, text):
    return f'{text}\n\u2014 {key.name} {b64(verify.canonical.key_id(key.name, 1, key.public) + signing.sign(key.path, text.encode()))}\n'


def older(document, key, size, tree, proof, name=None):
    return {'checkpoint': key.note(size, tree, name), 'vkey': key.vkey, 'proof': proof}


def resign(document, key):
    """All of it made anew by somebody else, under the log's name."""
    with tempfile.TemporaryDirectory() as directory:
        thief = Key(directory)
        document['checkpoint'] = sign_text(thief, document['checkpoint'].split('\n\n')[0] + '\n')
        document['vkey'] = thief.vkey
        document['consistency'] = None


BYTES = [
    ('nothing', lambda data: b''),
    ('a line feed at the end', lambda data: data + b'\n'),
    ('a byte order mark', lambda data: b'\xef\xbb\xbf' + data),
    ('a space', lambda data: data.replace(b'{', b'{ ', 1)),
    ('two documents', lambda data: data + data),
    ('half of it', lambda data: data[:len(data) // 2]),
    ('a byte less', lambda data: data[:-1]),
    ('members in another order', lambda data: data.replace(b'{"checkpoint"', b'{"vkey":"","checkpoint"', 1)),
    ('a member twice', lambda data: data.replace(b'"format":', b'"format":"billing-bundle/v1","format":', 1)),
    ('an escape that is not needed', lambda data: data.replace(b'billing-bundle', b'\\u0062illing-bundle', 1)),
    ('65 levels', lambda data: b'[' * 65 + b']' * 65),
    ('a hundred thousand levels', lambda data: b'[' * 100000),
]


def second_opinion(data, vkey):
    """The exit status of the verifier in Python, and what it says."""
    try:
        verify.verify(data, vkey)
        return 0, 'valid'
    except verify.Refuted as error:
        return 1, str(error)
    except verify.Unreadable as error:
        return 2, str(error)


def first_fitting(seed):
    """A scenario that has what the lies are about."""
    while True:
        scenario = Scenario(seed)
        if (len(scenario.windows) > 2 and len(longest(scenario)) > 1 and scenario.invoice_entry
                and any(line['entry'] for line in scenario.lines) and any(line['rated']['charge_id'].startswith('use')
                and line['row']['share_days'] for line in scenario.lines)):
            return scenario
        seed += 1


def check(tap, name, data, vkey, reason):
    status, output, _ = run_bytes(data, '--key', vkey)
    tap.ok(status in (1, 2) and output.startswith(('refuted: ', 'unreadable: ')) and reason in output, name, output)
    second, text = second_opinion(data, vkey)
    tap.ok(second in (1, 2), f'{name}, by the second verifier', text)


def main():
    print('# seed', SEED)
    tap = Tap()
    with tempfile.TemporaryDirectory() as directory:
        key = Key(directory)
        for number, (name, reason, lie) in enumerate([*ROWS, ('a minor unit too much', 'price x quantity x share is', overcharge)]):
            scenario = first_fitting(SEED + 100 * number)
            lie(scenario)
            check(tap, name, jcs(assemble(scenario, key)).encode(), key.vkey, reason)
        honest = assemble(first_fitting(SEED), key)
        for name, reason, lie in DOCUMENTS:
            document = copy.deepcopy(honest)
            lie(document, key)
            check(tap, name, jcs(document).encode(), key.vkey, reason)
        for name, change_bytes in BYTES:
            check(tap, name, change_bytes(jcs(honest).encode()), key.vkey, '')
        status, output, _ = run_bytes(jcs(honest).encode(), '--key', key.vkey)
        tap.ok(status == 0 and output.startswith('valid: 10 lines, '), 'and the truth is accepted', output)
        tap.ok(second_opinion(jcs(honest).encode(), key.vkey)[0] == 0, 'and by the second verifier')
    tap.end()


if __name__ == '__main__':
    main()
