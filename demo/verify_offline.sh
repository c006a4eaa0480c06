#!/bin/bash
# verify_offline.sh DIR: checks the bundle that run.sh put there, with no server; then with one digit changed, which must be refused.
set -euo pipefail

bundle=$(echo "$1"/*.json)
verify() { "$(dirname "$0")/../build/billing-verify" "$1" --key "$2/log.vkey"; }

printf '\n== The server is gone: billing-verify %s --key log.vkey\n' "${bundle##*/}"
verify "$bundle" "$1"

printf '\n== The same, with one digit of the first line'"'"'s quantity changed\n'
python3 - "$bundle" "$1/changed" <<'END'
import base64, json, sys

with open(sys.argv[1], encoding="utf-8") as file:
    bundle = json.load(file)
lines = bundle["invoice"]["lines"]
canon = bytearray(base64.b64decode(lines[0]))
digit = canon.index(b"\x00\x0d\x03") + 7  # column 13, quantity, a decimal, after the 4 bytes of its length
canon[digit] = ord("9") if canon[digit] != ord("9") else ord("8")
lines[0] = base64.b64encode(canon).decode()
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(json.dumps(bundle, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
END
if verify "$1/changed" "$1"; then
	echo "FAIL  the changed bundle was accepted"
	exit 1
fi
echo "PASS  the changed bundle is refused"
