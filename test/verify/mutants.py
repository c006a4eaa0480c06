#!/usr/bin/env python3
"""Random changes of good bundles and months, mutants.py [COUNT [SEED]]: neither verifier accepts any of them.

Half are changes of bytes of the file. The other half change a byte within a value, an encoded one too, and write the
document as it should be: they pass every check of form, and only hashes and signatures stand against them.
"""

import json
import random
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial

import verify
from canonical import b64, jcs, unb64
from harness import Tap, run_bytes
from make_bundle import Key, Scenario, assemble, make_month

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
BUNDLES, MONTHS = 10, 2


def mutate_bytes(source, data):
    at, other = source.randrange(len(data)), source.randrange(len(data))
    kind = source.randrange(8)
    if kind == 0:
        return data[:at] + data[at + 1:]
    if kind == 1:
        return data[:at] + source.randbytes(1) + data[at:]
    if kind == 2:
        low, high = sorted((at, other))
        return data[:low] + data[high:high + 1] + data[low + 1:high] + data[low:low + 1] + data[high + 1:]
    if kind == 3:
        return data[:at]
    if kind == 4:
        return data[:at] + bytes([data[at] ^ 1 << source.randrange(8)]) + data[at + 1:]
    if kind == 5:
        return data[:at] + bytes([source.choice(data)]) + data[at + 1:]
    return data[:at] + source.randbytes(1) + data[at + 1:]


@lru_cache
def strings(data):
    """Every string of the document that is not the name of a member, as its text stands there."""
    return [text for text, colon in re.findall(rb'("(?:[^"\\]|\\.)*")(:?)', data) if not colon]


def mutate_value(source, data):
    text = source.choice(strings(data))
    value = json.loads(text)
    try:
        content = unb64(value)
    except ValueError:
        content = b''
    if content and source.random() < 0.9:
        changed = b64(mutate_bytes(source, content))
    else:
        at = source.randrange(len(value) + 1)
        changed = value[:at] + chr(source.choice([source.randrange(32, 127), source.randrange(0xD800)])) + value[at + 1:]
    return data.replace(text, jcs(changed).encode(), 1)


def second_opinion(data, vkey):
    try:
        verify.verify(data, vkey)
    except (verify.Refuted, verify.Unreadable):
        return False
    return True


def try_both(numbered, vkey):
    """The exit status of billing-verify, what it said, and whether the second verifier accepts."""
    number, data = numbered
    return number, *run_bytes(data, '--key', vkey)[:2], second_opinion(data, vkey)


def make_mutants(source, bundles):
    """Different from every bundle; numbered."""
    made = 0
    while made < COUNT:
        mutant = (mutate_bytes if made % 2 else mutate_value)(source, source.choice(bundles))
        if mutant not in bundles:
            yield made, mutant
            made += 1


def main():
    print('# seed', SEED)
    tap, source = Tap(), random.Random(SEED)
    statuses, accepted = {1: 0, 2: 0}, []
    with tempfile.TemporaryDirectory() as directory, ProcessPoolExecutor() as pool:
        key = Key(directory)
        bundles = [jcs(assemble(Scenario(SEED + i, plans=1), key)).encode() for i in range(BUNDLES)]
        bundles += [jcs(make_month(SEED + 1000 * i, 2, key)).encode() for i in range(1, MONTHS + 1)]
        attempt = partial(try_both, vkey=key.vkey)
        for number, status, output, second in pool.map(attempt, enumerate(bundles)):
            tap.ok(status == 0, f'bundle {number} is accepted', output)
            tap.ok(second, f'bundle {number} is accepted by the second verifier')
        for number, status, output, second in pool.map(attempt, make_mutants(source, bundles), chunksize=100):
            statuses[status] = statuses.get(status, 0) + 1
            if status not in (1, 2):
                tap.ok(False, f'mutant {number}', f'status {status}', output)
            if second:
                accepted.append(number)
    tap.ok(statuses[1] + statuses[2] == COUNT, f'{COUNT} mutants refused: {statuses[1]} refuted, {statuses[2]} unreadable')
    tap.ok(not accepted, f'{COUNT} mutants refused by the second verifier', accepted)
    tap.end()


if __name__ == '__main__':
    main()
