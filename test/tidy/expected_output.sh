#!/bin/bash
# A regression test without its expected file cannot fail for the right reason, and an expected file without its test is dead.
set -euo pipefail

pairs()
{
	diff <(cd "$1" && compgen -G "*.$2" | sed "s/\.$2\$//" | sort) <(cd "$3" && compgen -G '*.out' | sed 's/\(_[0-9]\)\?\.out$//' | sort -u)
}

pairs sql sql expected
if compgen -G 'test/isolation/specs/*.spec' >/dev/null; then
	pairs test/isolation/specs spec test/isolation/expected
fi
