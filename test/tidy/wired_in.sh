#!/bin/bash
# What nobody runs protects nothing: scripts are executable, rules and suites are where the runners look for them.

find test/*.sh test/suites test/tidy demo .ci -type f \( -name '*.sh' -o -name run \) ! -perm -100 -printf '%p is not executable\n'
find test/tidy -type f ! -name '*.sh' -printf '%p is not run by test/lint.sh\n'
find test/suites -name '*.sh' -printf '%f\n' | sed 's/\.sh$//' | while read -r suite; do
	grep -qE "^SUITES.*\b$suite\b" Makefile || echo "test/suites/$suite.sh is not among the SUITES of the Makefile"
done
find src -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | grep -vxE 'core|verify' | grep -vxFf src/modules.list |
	sed 's/.*/src\/& is not in src\/modules.list/'
