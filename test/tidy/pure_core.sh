#!/bin/bash
# src/core includes its own headers, C11's and OpenSSL's, and nothing else: the offline verifier, the fuzzers and the
# unit tests link it without PostgreSQL.
set -euo pipefail

perl -ne '
	BEGIN { $c11 = join "|", qw(assert ctype errno float inttypes limits math stdalign stdbool stddef stdint stdio stdlib string) }
	next unless /^\s*#\s*include\s+(["<])([^">]+)/;
	next if $1 eq "<" ? $2 =~ m{^(?:($c11)\.h|openssl/\w+\.h)$} : -e "src/core/" . $2 =~ s{^core/}{}r;
	print "$ARGV:$.: includes $2\n"; } continue { close ARGV if eof' src/core/*.[ch] | { ! grep .; }
