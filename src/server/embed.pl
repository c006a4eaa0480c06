#!/usr/bin/perl
# embed.pl OUT FILE...: makes OUT.c and OUT.h, in which each SQL file is a C string.
# src/metering/tables.sql becomes SQL_METERING_TABLES, src/rating/statements/rate.sql SQL_RATING_RATE.
# Tables and grants are also listed in order, as embedded_tables[] and embedded_access[], for billing.install().
use strict;
use warnings;

my ($out, @files) = @ARGV;
my ($source, $header) = ('', '');
my %list = (tables => '', access => '');
foreach my $file (@files)
{
	my ($module, $name) = $file =~ m{^src/(\w+)/(?:statements/)?(\w+)\.sql$} or die "embed.pl: odd path $file\n";
	my $symbol = uc "sql_${module}_$name";
	open my $in, '<', $file or die "embed.pl: $file: $!\n";
	my @lines = <$in>;
	close $in;
	foreach (@lines)
	{
		chomp;
		s/([\\"])/\\$1/g;
		s/\t/\\t/g;
	}
	$source .= "const char $symbol\[] =\n" . join('', map { "\t\"$_\\n\"\n" } @lines) . ";\n\n";
	$header .= "extern const char $symbol\[];\n";
	$list{$name} .= "\t{\"$module\", $symbol},\n" if exists $list{$name} && $file !~ m{/statements/};
}
open my $c, '>', "$out.c" or die;
print $c qq(/* Made by src/server/embed.pl. */\n#include "embedded.h"\n\n$source),
  map { "const EmbeddedFile embedded_$_\[] = {\n$list{$_}\t{0, 0},\n};\n" } sort keys %list;
close $c;
open my $h, '>', "$out.h" or die;
print $h qq(/* Made by src/server/embed.pl. */\n#ifndef BILLING_EMBEDDED_H\n#define BILLING_EMBEDDED_H\n\n),
  qq(typedef struct EmbeddedFile\n{\n\tconst char *module;\n\tconst char *sql;\n} EmbeddedFile;\n\n),
  (map { "extern const EmbeddedFile embedded_$_\[];\n" } sort keys %list), qq($header\n#endif\n);
close $h;
