"""Calling billing-verify, and reporting in TAP."""

import os
import subprocess
import sys
import tempfile

PROGRAM = os.environ.get('BILLING_VERIFY', 'build/billing-verify')


def run(*arguments, data=None):
    """Exit status, standard output, standard error."""
    done = subprocess.run([PROGRAM, *arguments], input=data, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def run_bytes(data, *arguments):
    """billing-verify of a bundle given as bytes."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return run(file.name, *arguments)


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def ok(self, condition, name, *details):
        self.count += 1
        self.failed += not condition
        print(f'{"ok" if condition else "not ok"} {self.count} - {name}')
        if not condition:
            for detail in details:
                print('#', detail)
        return condition

    def end(self):
        print(f'1..{self.count}')
        sys.exit(self.failed > 0)
