#!/usr/bin/env python3
"""How billing-verify is called: options, files that cannot be read, checkpoints that the reader kept, and the witness."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time

import canonical
import signing
from canonical import b64, jcs, sha256
from harness import PROGRAM, Tap, run
from make_bundle import ORIGIN, Key, Scenario, assemble, make_log

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(2**32)


class Place:
    """A directory with a key, and files in it by name."""

    def __init__(self, directory):
        self.directory, self.key = directory, Key(directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def put(self, name, content):
        with open(self.path(name), 'wb') as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)


def proof_text(older, leaves):
    return ''.join(b64(node) + '\n' for node in canonical.consistency(older, leaves))


def check_options(tap, place, bundle):
    document = place.put('bundle', jcs(bundle))
    status, output, _ = run(document)
    tap.ok(status == 0 and place.key.vkey in output, 'without a key it tells the one in the bundle', output)
    status, output, _ = run(document, '--key', place.key.vkey)
    tap.ok(status == 0 and place.key.vkey not in output and output.startswith('valid: '), 'a key', output)
    tap.ok(run(document, '--key', place.put('vkey', place.key.vkey + '\n'))[0] == 0, 'a key in a file')
    tap.ok(run('-', data=jcs(bundle).encode())[0] == 0, 'the standard input')
    tap.ok(run('-', '--checkpoint', '-', data=jcs(bundle).encode())[0] == 2, 'the standard input twice')
    status, output, _ = run(document, '--json', '--key', place.key.vkey)
    told = json.loads(output)
    tap.ok((status, told['outcome'], told['lines'], told['key_was_given']) == (0, 'valid', 10, True), 'for machines', output)
    status, output, _ = run(document, '--json', '--key', canonical.vkey(ORIGIN, bytes(31) + b'\2'))
    told = json.loads(output)
    tap.ok((status, told['outcome'], told['where']) == (1, 'refuted', 'vkey'), 'another key, for machines', output)
    for name, *arguments in [('no such file', place.path('none')), ('a directory', place.directory),
                             ('a key that is none', document, '--key', 'a+b+c'), ('a file that is no key', document, '--key', document),
                             ('a checkpoint that is none', document, '--checkpoint', document)]:
        status, output, errors = run(*arguments)
        tap.ok(status == 2 and output.startswith('unreadable: ') and errors == '', name, status, output, errors)
    for name, *arguments in [('nothing', ), ('two bundles', 'a', 'b'), ('an unknown option', 'a', '--sign', 'x'), ('no value', 'a', '--key'),
                             ('an option twice', 'a', '--key', 'x', '--key', 'y'), ('a proof of nothing', 'a', '--proof', 'x'),
                             ('a witness without a directory', 'witness', '--key', 'x'), ('a witness without a key', 'witness', 'd'),
                             ('an age that is no number', 'witness', 'd', '--key', 'x', '--max-age', '1m'),
                             ('a time without an age', 'witness', 'd', '--key', 'x', '--now', '1'),
                             ('an age and a proof', 'witness', 'd', '--key', 'x', '--max-age', '1', '--proof', 'y'),
                             ('an age of a bundle', 'a', '--max-age', '1'),
                             ('a signer without a name', 'witness', 'd', '--key', 'x', '--sign', 'y')]:
        status, output, errors = run(*arguments)
        tap.ok(status == 64 and output == '' and 'usage: ' in errors, f'called wrongly: {name}', status, errors)
    tap.ok(run('--help')[0] == 0, 'help')
    with open('/dev/full', 'wb') as full:
        tap.ok(subprocess.run([PROGRAM, document], stdout=full, check=False).returncode == 2, 'a verdict that could not be written')


def check_kept(tap, place, scenario):
    """The reader's own checkpoint, with and without a proof."""
    log = make_log(scenario)
    size, bundle = len(log.leaves), assemble(scenario, place.key, log) | {'consistency': None}
    document = place.put('bundle', jcs(bundle))
    newer = log.leaves + [scenario.bytes(32) for _ in range(9)]
    trees = {count: canonical.root(newer[:count]) for count in range(len(newer) + 1)}

    def ask(count, tree, proof=None, name=None):
        options = [] if proof is None else ['--proof', place.put('proof', proof)]
        return run(document, '--checkpoint', place.put('kept.note', place.key.note(count, tree, name)), *options)[:2]

    tap.ok(ask(size, trees[size])[0] == 0, 'kept: the same checkpoint')
    for name, reason, answer in [
            ('the same size, another root', 'another root', ask(size, bytes(32))),
            ('an older one that nothing leads to', 'ask for a consistency proof', ask(1, trees[1])),
            ('a newer one that nothing leads to', 'ask for a consistency proof', ask(size + 9, trees[size + 9])),
            ('that of another log', 'origin', ask(1, trees[1], name='other.example')),
            ('an older one with another root', 'not shown to continue', ask(3, bytes(32), proof_text(3, log.leaves))),
            ('an older one with the proof of another', 'not shown to continue', ask(3, trees[3], proof_text(5, log.leaves))),
            ('a proof without its last line feed', 'base64', ask(3, trees[3], proof_text(3, log.leaves)[:-1]))]:
        tap.ok(answer[0] in (1, 2) and reason in answer[1], f'kept: {name}', answer)
    for count in (0, 1, 3, size // 2, size - 1, size):
        tap.ok(ask(count, trees[count], proof_text(count, log.leaves))[0] == 0, f'kept: {count} of {size} leaves, with a proof')
    tap.ok(ask(size + 9, trees[size + 9], proof_text(size, newer))[0] == 0, 'kept: a newer one, with a proof')


def witness(place, note, *options, key=None):
    return run('witness', place.path('kept'), '--key', key or place.key.vkey, *options, data=note.encode())


def check_witness(tap, place, source):
    leaves = [source.randbytes(32) for _ in range(300)]
    note = lambda size: place.key.note(size, canonical.root(leaves[:size]))
    proof = lambda older, newer: ['--proof', place.put('proof', proof_text(older, leaves[:newer]))]
    kept = place.path(f'kept/{sha256(ORIGIN.encode()).hex()}')

    tap.ok(witness(place, place.key.note(5, bytes(32)) + 'x')[0] == 2, 'witness: a malformed note')
    tap.ok(witness(place, note(5), key=canonical.vkey(ORIGIN, bytes(31) + b'\2'))[0] == 1, 'witness: a note of another key')
    tap.ok(not os.path.exists(kept), 'witness: neither is kept')
    tap.ok(witness(place, note(100))[:2] == (0, f'kept: {ORIGIN}, 100 leaves\n'), 'witness: the first is trusted')
    tap.ok(witness(place, note(100))[0] == 0, 'witness: the same again')
    for name, told, options in [('smaller', note(99), []), ('larger without a proof', note(101), []),
                                ('larger with the proof of another', note(300), proof(100, 299)),
                                ('larger with an older proof', note(300), proof(64, 300)),
                                ('the same with a proof', note(100), proof(100, 300)),
                                ('larger with another past', place.key.note(200, canonical.root(leaves[100:])), proof(100, 200))]:
        status, output, errors = witness(place, told, *options)
        tap.ok(status == 1 and output == '' and errors.startswith('refused: '), f'witness: {name}', status, errors)
    with open(kept, encoding='utf-8') as file:
        tap.ok(file.read() == note(100), 'witness: none of them is kept')
    other = place.key.note(100, bytes(32))
    status, _, errors = witness(place, other)
    with open(kept + '.fork', encoding='utf-8') as file:
        tap.ok(status == 1 and 'another root' in errors and file.read() == other, 'witness: another root is evidence', errors)
    for size in (101, 128, 256, 300):
        with open(kept, encoding='utf-8') as file:
            before = int(file.read().split('\n')[1])
        tap.ok(witness(place, note(size), *proof(before, size))[0] == 0, f'witness: from {before} to {size}')
    place.put('proof', 'no base64\n')
    tap.ok(witness(place, note(300), '--proof', place.path('proof'))[0] == 2, 'witness: a malformed proof')


def check_cosignature(tap, place, source):
    directory = place.path('witness-key')
    os.mkdir(directory)
    signer = Key(directory, 'witness.example/w1')
    note = place.key.note(300, source.randbytes(32))
    text = note.split('\n\n')[0] + '\n'
    options = ('--sign', signer.path, '--name', signer.name)
    started = int(time.time())
    status, output, errors = run('witness', place.path('other'), '--key', place.key.vkey, *options, data=note.encode())
    tap.ok(status == 0 and errors == '', 'witness: cosigns', errors)
    dash, name, blob = output.rstrip('\n').split(' ')
    blob = canonical.unb64(blob)
    moment = int.from_bytes(blob[4:12], 'big')
    tap.ok((dash, name, blob[:4]) == ('\u2014', signer.name, canonical.key_id(signer.name, 4, signer.public)), 'witness: by its name', output)
    tap.ok(started <= moment <= time.time(), 'witness: now', moment)
    message = f'cosignature/v1\ntime {moment}\n{text}'.encode()
    tap.ok(signing.verify(signer.public, message, blob[12:]), 'witness: the signature holds')
    tap.ok(run('witness', place.path('other'), '--key', place.key.vkey, data=(note + output).encode())[0] == 0, 'witness: its line may be in a note')
    os.chmod(signer.path, 0o644)
    status, _, errors = run('witness', place.path('third'), '--key', place.key.vkey, *options, data=note.encode())
    tap.ok(status == 2 and 'may be read by others' in errors, 'witness: a key that others may read', errors)
    tap.ok(os.listdir(place.path('third')) == [], 'witness: then nothing is kept')


def check_age(tap, place, source):
    """The alarm when no new checkpoint comes; the clock is given."""
    leaves = [source.randbytes(32) for _ in range(9)]
    note = lambda size: place.key.note(size, canonical.root(leaves[:size]))
    directory = place.path('aged')
    kept = f'{directory}/{sha256(ORIGIN.encode()).hex()}'
    ask = lambda now: run('witness', directory, '--key', place.key.vkey, '--max-age', '120', '--now', str(now))
    give = lambda text, *options: run('witness', directory, '--key', place.key.vkey, *options, data=text.encode())[0]

    status, _, errors = ask(0)
    tap.ok(status == 2 and not os.path.exists(directory), 'age: a directory that is not there', status, errors)
    os.mkdir(directory)
    status, output, errors = ask(0)
    tap.ok((status, output) == (3, '') and errors.startswith(f'stale: {ORIGIN}: no checkpoint was kept'), 'age: nothing kept yet', status, errors)
    give(note(5))
    os.utime(kept, (10**6, 10**6))
    status, output, errors = ask(10**6 + 120)
    tap.ok((status, output) == (0, f'fresh: {ORIGIN}, 5 leaves, 120 seconds ago\n'), 'age: in time', status, errors)
    status, output, errors = ask(10**6 + 121)
    tap.ok((status, output, errors) == (3, '', f'stale: {ORIGIN}: no new checkpoint for 121 seconds, and 120 are allowed\n'), 'age: too late', errors)
    tap.ok(give(note(5)) == 0 and ask(10**6 + 121)[0] == 3, 'age: the same checkpoint again is no new one')
    proof = ['--proof', place.put('proof', proof_text(5, leaves[:6]))]
    tap.ok(give(place.key.note(6, bytes(32)), *proof) == 1 and ask(10**6 + 121)[0] == 3, 'age: nor is one that is refused')
    tap.ok(give(note(6), *proof) == 0 and ask(int(time.time()) + 60)[0] == 0 and ask(int(time.time()) + 200)[0] == 3, 'age: one that continues it is')
    status, output, errors = run('witness', directory, '--key', place.key.vkey, '--max-age', '120')
    tap.ok(status == 0 and '6 leaves' in output, 'age: by the clock of the machine', errors)
    status, output, errors = ask(10**6)
    tap.ok(status == 3 and 'after now' in errors, 'age: a clock that was put back', errors)
    other = canonical.vkey('other.example', place.key.public)
    tap.ok(run('witness', directory, '--key', other, '--max-age', '120')[0] == 3, 'age: another log')


def main():
    print('# seed', SEED)
    tap, source = Tap(), random.Random(SEED)
    with tempfile.TemporaryDirectory() as directory:
        place = Place(directory)
        check_options(tap, place, assemble(Scenario(SEED), place.key))
        check_kept(tap, place, Scenario(SEED + 1))
        check_witness(tap, place, source)
        check_cosignature(tap, place, source)
        check_age(tap, place, source)
    tap.end()


if __name__ == '__main__':
    main()
