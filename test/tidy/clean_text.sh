#!/bin/bash
# No trailing blanks, no carriage returns, a newline at the end. Expected output is what psql printed and stays so.

find . \( -name .git -o -path ./build -o -name expected -o -name corpus \) -prune -o -type f -print0 |
	xargs -0 grep -lIZ . | xargs -0 perl -ne '
		print "$ARGV:$.: trailing blank\n" if /[ \t\r]+$/;
		print "$ARGV:$.: no newline at the end\n" if eof && !/\n\z/;
		close ARGV if eof'
