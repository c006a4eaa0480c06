#!/bin/bash
# No float touches money. Only canonical JSON knows doubles, for RFC 8785 writes a foreign number as the nearest double.

perl -0777 -ne '
	next if m{\A} && $ARGV =~ m{^src/core/json_(canonical|number|parser)\.[ch]$};
	my $skipped = $ARGV =~ /\.sql$/ ? qr{\x27[^\x27]*\x27|--[^\n]*}s : qr{"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*}s;
	s{$skipped}{$& =~ s/[^\n]//gr}ge;
	my $line = 0;
	for (split /\n/)
	{
		$line++;
		print "$ARGV:$line: $_\n" if /\b(float[48]?|double|Float[48]\w*|real|strtod)\b/;
	}' src/*/*.[ch] src/*/*.sql src/*/*/*.sql
