#!/usr/bin/env python3
"""Random rows for the server, and the leaves it must give them: server_rows.py DIR COUNT SEED ENCODING... < COLUMNS

COLUMNS has a line for each column of each kind's table: kind, name, SQL type. Each ENCODING (PostgreSQL's name and Python's, with a
colon between) gets a file DIR/KIND.NAME of COUNT rows for COPY, of characters that it has; DIR/KIND.leaves has number and leaf of
all of them. The column log_xid numbers the rows of a kind from 1.
"""

import json
import os
import random
import sys
import uuid
from datetime import date, timedelta
from decimal import Decimal

import canonical
from canonical import COLUMNS, leaf_hash, sha256

LETTERS = {'utf-8': 'aZ09 "\'\\/\b\t\n\r\x01\x7fäßøı\u2028\u20ac\ud7ff\ue000\uffff\U00010000\U0001F680\U0010FFFF',
           'latin-1': 'aZ09 "\'\\/\t\n\x7fäßøÿ\xa0', 'shift_jis': 'aZ09 "\'/\n表ソ能あア漢', 'euc_jp': 'aZ09 "\'\\/\n表ソ能あア漢', 'big5': 'aZ09 "\'\\/\n功許蓋中'}
INTEGERS = {'smallint': 2**15, 'integer': 2**31, 'bigint': 2**63}
LAST_DAY, FIRST_DAY = 2145042905, -2440588
LAST_TIME, FIRST_TIME = 2**63 - 1, -210866803200000000
CYCLE = 146097  # days in 400 years

# What the statements compute from other columns, and kinds of which a bundle holds none.
KINDS = {
    'incarnation': 'incarnation:integer system_identifier:text xid_offset:integer adopted_at:time reason:text',
    'signing_key': 'key_no:integer vkey:text public_key:hash previous_note:text registered_at:time',
    'schema': 'fingerprint_no:integer fingerprint:hash reason:text recorded_at:time',
    'retention_action': 'table_name:text month:integer action:text dropped_rows:integer dropped_bytes:integer first_key:json last_key:json digest:hash '
                        'keep:text actor:text dropped_at:time',
    'audit_event': 'audit_id:uuid at:time content_hash:hash',
    'checkpoint': 'seal_no:integer incarnation:integer snapshot:text tree_size:integer root_hash:hash body_hash:hash lsn:text sealed_at:time',
    'usage': 'meter_id:text event_id:text account_id:text occurred_at:time quantity:decimal dimensions:json corrects_event_id:text',
}
for kind_name, listed in KINDS.items():
    COLUMNS[kind_name] = [(column.split(':')[0], *canonical.TYPES[column.split(':')[1]], True) for column in listed.split()]


def calendar_day(days):
    """Year, month and day of days since 1970-01-01; by whole cycles of the calendar, for Python's ends at year 9999."""
    cycles, rest = divmod(days, CYCLE)
    day = date(1970, 1, 1) + timedelta(rest)
    return day.year + 400 * cycles, day.month, day.day


def day_text(days):
    year, month, day = calendar_day(days)
    return f'{year if year > 0 else 1 - year:04}-{month:02}-{day:02}', '' if year > 0 else ' BC'


def time_text(source, microseconds):
    """The instant as a clock somewhere shows it."""
    offset = source.choice([0, 0, 345, -210, 720, -720])  # minutes
    if not FIRST_TIME + 10**12 < microseconds < LAST_TIME - 10**12:
        offset = 0
    seconds, fraction = divmod(microseconds + offset * 60 * 10**6, 10**6)
    days, seconds = divmod(seconds, 86400)
    day, era = day_text(days)
    clock = f'{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:06}'
    return f'{day} {clock}{"-" if offset < 0 else "+"}{abs(offset) // 60:02}:{abs(offset) % 60:02}{era}'


def make_text(source, letters):
    return ''.join(source.choice(letters) for _ in range(source.choice([0, 1, 3, 30])))


def make_integer(source, bound):
    return source.choice([0, 1, -1, bound - 1, -bound, source.randrange(-bound, bound)])


def make_instant(source, first, last):
    return source.choice([0, -1, 1, first, last, source.randrange(first, last), source.randrange(max(first, -10**16), min(last, 10**16))])


def make_decimal(source):
    """As written, and in canonical form."""
    digits = source.choice(['0', '1', '100', '9' * 20, str(source.randrange(10**20)), '007'])
    fraction = source.choice(['', '', '.', '.50', '.' + '0' * 17 + '1', f'.{source.randrange(10**6)}'])
    written = source.choice(['', '-', '+']) + digits + fraction + source.choice(['', '', 'e2', 'E-3'])
    plain = format(Decimal(written), 'f')
    if '.' in plain:
        plain = plain.rstrip('0').rstrip('.')
    return written, '0' if plain in ('-0', '') else plain


def make_json(source, letters, depth=2):
    kind = source.randrange(7 if depth else 5)
    if kind == 0:
        return source.choice([True, False] if depth == 2 else [None, True, False])  # None alone would be no column
    if kind == 1:
        return source.choice([0, -1, 2**53, 10**20, 10**21, 0.1, 1.5e300, 5e-324, 1e-7, -1.25e-6, source.uniform(-1e6, 1e6)])
    if kind < 5:
        return make_text(source, letters)
    if kind == 5:
        return [make_json(source, letters, depth - 1) for _ in range(source.randrange(4))]
    return {make_text(source, letters): make_json(source, letters, depth - 1) for _ in range(source.randrange(5))}


def make_snapshot(source):
    low = source.randrange(1, 2**62)
    running = sorted(source.sample(range(low, low + 50), source.randrange(5)))
    return f'{running[0] if running else low}:{low + 50 if running else low}:{",".join(map(str, running))}'


def make_value(source, sql_type, letters):
    """As written for COPY, and as its canonical bytes are taken of it."""
    if sql_type in INTEGERS:
        value = make_integer(source, INTEGERS[sql_type])
        return str(value), value
    if sql_type == 'boolean':
        value = source.randrange(2)
        return 'ft'[value], value
    if sql_type == 'date':
        value = make_instant(source, FIRST_DAY, LAST_DAY)
        return ''.join(day_text(value)), value
    if sql_type == 'timestamp with time zone':
        value = make_instant(source, FIRST_TIME, LAST_TIME)
        return time_text(source, value), value
    if sql_type.startswith('numeric'):
        return make_decimal(source)
    if sql_type == 'jsonb':
        value = make_json(source, letters)
        return json.dumps(value, ensure_ascii=source.random() < 0.3, indent=source.choice([None, 1])), value
    if sql_type == 'bytea':
        value = source.randbytes(32)
        return '\\x' + value.hex(), value
    if sql_type == 'uuid':
        value = source.randbytes(16)
        return value.hex(), value
    if sql_type == 'pg_snapshot':
        return (make_snapshot(source), ) * 2
    if sql_type == 'text[]':
        value = [make_text(source, letters) for _ in range(source.randrange(4))]
        return '{' + ','.join('"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"' for text in value) + '}', value
    if sql_type == 'inet':
        address = source.choice(['192.0.2.7', '2001:db8::7'])
        return address + source.choice(['', '/24']), address
    if sql_type == 'pg_lsn':
        return (f'{source.randrange(2**32):X}/{source.randrange(2**32):X}', ) * 2
    if sql_type == 'text':
        return (make_text(source, letters), ) * 2
    return None, None


def hashed(salt, text):
    return None if salt is None or text is None else sha256(salt + text.encode())


def jsonb_text(value):
    """As PostgreSQL prints a jsonb: keys by length and then bytes, numbers with all their digits."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: (len(member[0].encode()), member[0].encode()))
        return '{' + ', '.join(f'{jsonb_text(name)}: {jsonb_text(member)}' for name, member in members) + '}'
    if isinstance(value, list):
        return '[' + ', '.join(map(jsonb_text, value)) + ']'
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    return format(Decimal(repr(value)), 'f')


def fingerprint(*parts):
    """SHA-256 over each part's length in 4 bytes, all ones for none, and the part."""
    return sha256(b''.join(b'\xff' * 4 if part is None else len(part.encode()).to_bytes(4, 'big') + part.encode() for part in parts))


def audit_hash(row):
    documents = [None if row[name] is None else jsonb_text(row[name]) for name in ('object_key', 'before', 'after')]
    return fingerprint(None if row['audit_id'] is None else str(uuid.UUID(bytes=row['audit_id'])), row['session_role'], row['acting_role'],
                       row['token_subject'], row['subject_tenant'], row['action'], row['call'], row['object_type'], *documents,
                       row['application_name'], row['client_address'])


def derive(kind, row):
    """The columns of the leaf."""
    if kind == 'ledger_entry':
        row['memo_hash'] = hashed(row['entry_id'], row['memo'])
    elif kind == 'invoice_event':
        row['actor_hash'], row['reason_hash'] = hashed(row['salt'], row['actor']), hashed(row['salt'], row['reason'])
    elif kind == 'claim_event':
        row['identity_hash'] = hashed(row['salt'], row['identity_value'])
        row['actor_hash'], row['reason_hash'] = hashed(row['salt'], row['actor']), hashed(row['salt'], row['reason'])
    elif kind == 'audit_event':
        row['content_hash'] = audit_hash(row)
    elif kind == 'checkpoint':
        row['body_hash'] = hashed(b'', row['body'])
    return row


def copy_field(written):
    if written is None:
        return '\\N'
    for letter, escaped in (('\\', '\\\\'), ('\t', '\\t'), ('\n', '\\n'), ('\r', '\\r')):
        written = written.replace(letter, escaped)
    return written


def make_rows(source, kind, columns, letters, numbers):
    """Lines for COPY, and leaves."""
    for number in numbers:
        written, row = [], {}
        for name, sql_type in columns:
            field, row[name] = make_value(source, sql_type, letters) if source.random() < 0.9 else (None, None)
            written.append(copy_field(str(number) if name == 'log_xid' else field))
        yield '\t'.join(written) + '\n', leaf_hash(canonical.encode(kind, derive(kind, row)))


def main():
    directory, count, seed, *encodings = sys.argv[1:]
    source, tables = random.Random(int(seed)), {}
    for line in sys.stdin:
        kind, name, sql_type = line.rstrip('\n').split('|')
        tables.setdefault(kind, []).append((name, sql_type))
    if not tables.keys() <= COLUMNS.keys():
        sys.exit(f'the columns of these leaves have to be added to KINDS: {tables.keys() - COLUMNS.keys()}')
    for kind, columns in tables.items():
        with open(os.path.join(directory, f'{kind}.leaves'), 'w', encoding='ascii') as leaves:
            for part, encoding in enumerate(encodings):
                name, codec = encoding.split(':')
                numbers = range(part * int(count) + 1, (part + 1) * int(count) + 1)
                rows = list(make_rows(source, kind, columns, LETTERS[codec], numbers))
                with open(os.path.join(directory, f'{kind}.{name}'), 'wb') as file:
                    file.write(''.join(line for line, _ in rows).encode(codec))
                leaves.writelines(f'{number}\t\\\\x{leaf.hex()}\n' for number, (_, leaf) in zip(numbers, rows))


if __name__ == '__main__':
    main()
