#!/bin/bash
# src/core includes its own headers, C11's and OpenSSL's, and nothing else: the offline verifier, the fuzzers and the
# unit tests link it without PostgreSQL.

perl -ne '
	BEGIN { $c11 = "assert|ctype|errno|float|inttypes|limits|math|stdalign|stdbool|stddef|stdint|stdio|stdlib|string" }
	if (my ($open, $name) = /^\s*#\s*include\s+(["<])([^">]+)/)
	{
		my $fine = $open eq "<" ? $name =~ m{^(?:(?:$c11)\.h|openssl/\w+\.h)$} : -e "src/core/" . ($name =~ s{^core/}{}r);
		print "$ARGV:$.: includes $name\n" unless $fine;
	}
	close ARGV if eof' src/core/*.[ch]
