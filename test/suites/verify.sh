#!/bin/bash
# billing-verify against bundles made by a second implementation, true ones and false ones, and against a second verifier.
# Without a server.
set -uo pipefail

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || ! openssl version; then
	echo "SKIPPED: no Python 3.9 or no openssl command here, billing-verify was NOT tested"
	exit 0
fi
export PYTHONDONTWRITEBYTECODE=1 UBSAN_OPTIONS=print_stacktrace=1
make -s -j"$(nproc)" build/billing-verify build/billing-verify-asan || exit 1
gcc -std=c11 -O2 -Wall -Wextra -Werror -Isrc -Isrc/core -o build/leaf-stream \
	test/verify/leaf_stream.c src/core/leaf.c src/core/digest.c -lcrypto || exit 1
status=0
python3 test/verify/leaves.py || status=1
BILLING_VERIFY=build/billing-verify-asan python3 test/verify/lies.py || status=1
BILLING_VERIFY=build/billing-verify-asan python3 test/verify/calls.py || status=1
BILLING_VERIFY=build/billing-verify-asan python3 test/verify/months.py || status=1
python3 test/verify/mutants.py "${MUTANTS:-10000}" || status=1
exit $status
