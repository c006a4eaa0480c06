#!/bin/bash
# A function fits on a screen: at most 70 lines, in C and in SQL. What is longer does two things.

ctags-universal --languages=C --kinds-C=f --fields=+ne --output-format=u-ctags -o - src/*/*.[ch] test/core/*.[ch] | perl -ne '
	print "$2:$3: $1 has ", $4 - $3 + 1, " lines\n" if /^(\S+)\t(\S+)\t.*\tline:(\d+).*\tend:(\d+)/ && $4 - $3 >= 70'
perl -ne '
	$start = $. if /^CREATE (?:FUNCTION|PROCEDURE)/;
	if (defined $start && /^\S.*;\s*$/)
	{
		print "$ARGV:$start: function has ", $. - $start + 1, " lines\n" if $. - $start >= 70;
		undef $start;
	}
	close ARGV if eof' src/*/*.sql
