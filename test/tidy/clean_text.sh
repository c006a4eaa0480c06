#!/bin/bash
# No trailing blanks, no carriage returns, a newline at the end. Expected files are what psql printed and stay so.
set -euo pipefail

find . \( -name .git -o -path ./build -o -name expected -o -name corpus -o -name results \) -prune -o -type f -print0 |
	xargs -0 grep -lI . | xargs -d '\n' perl -ne '
		print "$ARGV:$.: trailing blank\n" if /[ \t\r]+$/;
		print "$ARGV:$.: no newline at the end\n" if eof && !/\n\z/;
		close ARGV if eof' | { ! grep .; }
