#!/usr/bin/perl
# Random sequences of the public calls against a model: accounts, plan versions, subscriptions and their changes, usage that is late, repeated
# or corrected, counts, rating, drafts, final and void invoices, postings, reversals, previews. After every step all that is stored is
# compared with what a plain model (model/world.py) says. A sequence that fails is made shorter and printed as SQL, and its
# seed repeats it: model/workload.py 0 SEED STEPS.
#
# STEPS: of a sequence (120, in the short form 60).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../tap/lib", "$FindBin::Bin/lib";
use IPC::Run;
use Test::More;
use Soak qw(begin_soak figure is_long seconds_left seed soak_node);

begin_soak(short => 12);
my $node = soak_node('model', fsync => 'off', full_page_writes => 'off', shared_buffers => "'256MB'");
my ($out, $error) = ('', '');
my $ended = IPC::Run::run([ 'python3', "$FindBin::Bin/model/workload.py", int(seconds_left()), seed(), $ENV{STEPS} // (is_long() ? 120 : 60), is_long() ? 2 : 1 ], '>', \$out, '2>', \$error);
my ($sequences, $steps, $refused, $invoices, $failures) = $out =~ /^figure: (\d+) (\d+) (\d+) (\d+) (\d+)$/m;
ok($ended && defined $failures, 'the sequences ran') or diag($error);
diag($out) if $failures;
figure('random calls against a model', figure => "$steps/10,000 steps in $sequences sequences, $refused of them refused, $invoices invoices: $failures differences",
	aim => '10,000 steps, 0 differences', violations => $failures, done => $steps, wanted => 10_000) if defined $failures;
$node->stop;
done_testing();
