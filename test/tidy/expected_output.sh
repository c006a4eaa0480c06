#!/bin/bash
# A test without its expected output can only fail, and expected output without its test is dead.

names() { find "$1" -name "*.$2" -printf '%f\n' 2>/dev/null | sed "s/\.$2\$//" | sort; }

diff <(names sql sql) <(names expected out)
diff <(names test/isolation/specs spec) <(names test/isolation/expected out)
