#!/bin/bash
# A check that nobody runs protects nothing: each rule, suite and script is executable and is called from somewhere.
set -euo pipefail

{
	find test/*.sh test/suites test/tidy .ci demo/*.sh -type f ! -perm -100 -printf '%p is not executable\n'
	find test/tidy -type f ! -name '*.sh' -printf '%p is not run by test/lint.sh\n'
	for suite in test/suites/*.sh; do
		name=$(basename "$suite" .sh)
		grep -qE "^SUITES.*\b$name\b" Makefile || echo "$suite is not among the SUITES of the Makefile"
	done
	for module in $(cd src && ls -d */ | tr -d /); do
		grep -qxE "$module" src/modules.list || [[ $module =~ ^(core|verify)$ ]] || echo "src/$module is not in src/modules.list"
	done
} 2>/dev/null | { ! grep .; }
