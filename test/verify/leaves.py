#!/usr/bin/env python3
"""Random rows of every kind, leaves.py [COUNT [SEED]]: the core and canonical.py give the same leaf for each of them.

The JSON columns go through the program's own reading too: test/verify/mutants.py and lies.py hold that to this one.
"""

import random
import subprocess
import sys

from canonical import COLUMNS, DECIMAL, INTEGER, JSON, TEXT, TIME, decode, encode, encode_value, leaf_hash
from harness import Tap

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
BOUNDS = [0, 1, -1, 255, 256, -256, 2**31, 2**53 + 1, 2**63 - 1, -2**63]
LETTERS = 'aZ09 "\\/\b\t\n\x01\x7fäßø\u2028\u20ac\ud7ff\ue000\uffff\U00010000\U0001F680\U0010FFFF'


def text(source):
    return ''.join(source.choice(LETTERS) for _ in range(source.choice([0, 1, 3, 30])))


def decimal(source):
    digits = source.choice(['0', '1', '9' * 20, str(source.randrange(10**20))])
    fraction = source.choice(['', '', '.5', '.' + '0' * 17 + '1', f'.{source.randrange(10**6)}1'])
    sign = source.choice(['', '', '-']) if digits.strip('0') or fraction else ''
    return sign + digits + fraction


def value(source, type_number, length):
    if type_number in (INTEGER, TIME):
        return source.choice([source.choice(BOUNDS), source.randrange(-2**63, 2**63)])
    if type_number == DECIMAL:
        return decimal(source)
    if type_number == TEXT:
        return text(source)
    if type_number == JSON:
        return {text(source): text(source) for _ in range(source.randrange(4))}
    return source.randbytes(length)


def make_row(source, kind):
    return {name: value(source, type_number, length) for name, type_number, length, may_be_null in COLUMNS[kind]
            if not (may_be_null and source.random() < 0.5)}


def to_lines(kind, row):
    yield f'row {kind}'
    for number, (name, type_number, _, _) in enumerate(COLUMNS[kind], 1):
        if name in row and type_number in (INTEGER, TIME):
            yield f'integer {number} {type_number} {row[name]}'
        elif name in row:
            yield f'bytes {number} {type_number} {encode_value(type_number, row[name]).hex()}'
    yield 'end'


def main():
    print('# seed', SEED)
    tap, source = Tap(), random.Random(SEED)
    for kind in COLUMNS:
        rows = [make_row(source, kind) for _ in range(COUNT // len(COLUMNS))]
        lines = '\n'.join(line for row in rows for line in to_lines(kind, row)) + '\n'
        hashes = subprocess.run(['build/leaf-stream'], input=lines.encode(), capture_output=True, check=True).stdout.decode().split()
        tap.ok(hashes == [leaf_hash(encode(kind, row)).hex() for row in rows], f'{len(rows)} leaves of kind {kind}')
        tap.ok(all(decode(kind, encode(kind, row)) == {name: row.get(name) for name, _, _, _ in COLUMNS[kind]} for row in rows),
               f'{len(rows)} rows of kind {kind} read back')
    tap.end()


if __name__ == '__main__':
    main()
