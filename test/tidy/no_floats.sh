#!/bin/bash
# No float touches money. Only canonical JSON knows doubles, for RFC 8785 writes other people's numbers as doubles.
set -euo pipefail

perl -0777 -ne '
	s{("(?:\\.|[^"\\\n])*")|/\*.*?\*/|//[^\n]*|--[^\n]*}{ my $text = $&; $text =~ s/[^\n]//g; $text }ges;
	my $line = 0;
	for (split /\n/) { $line++; print "$ARGV:$line: $_\n" if /\b(float|double|float[48]|Float[48]\w*|real|strtod)\b/ }
	' $(ls src/*/*.c src/*/*.h src/*/*.sql src/*/*/*.sql | grep -vE '^src/core/json_(canonical|number)\.c$|^src/core/json_parser\.h$') | { ! grep .; }
