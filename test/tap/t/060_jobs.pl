# pg_cron for real: jobs fire and do their work, here and in another database; one that is running is not started again; a failed
# one is tried again and shows in health; what was missed or broken off while the server was down is made up for after it.
# pg_cron's grain is the minute, so that this takes about three.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);
use BillingTest qw(close_session open_session);

my $node = PostgreSQL::Test::Cluster->new('main');
if (!-e `pg_config --pkglibdir` =~ s/\n//r . '/pg_cron.so')
{
	print { Test::More->builder->failure_output } "SKIPPED: $0 needs pg_cron; it did NOT run\n";
	plan skip_all => 'there is no pg_cron';
}
my $began = time;
my $host = $node->host;
$node->init;
$node->append_conf('postgresql.conf', <<"END");
timezone = 'UTC'
log_min_messages = warning
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.host = '$host'
END
$node->start;

# Two databases: pg_cron is in one of them, and known to the other.
sub sql { my ($query, $database) = @_; return $node->safe_psql($database // 'postgres', $query); }

sub wait_for
{
	my ($query, $what, $seconds, $database) = @_;
	my $until = time + ($seconds // 75);
	while (time < $until)
	{
		return pass($what) if sql($query, $database) eq 't';
		sleep 0.2;
	}
	return fail($what) || diag(sql('SELECT job, status, as_of, started_at, finished_at, progress, error FROM billing.job_runs ORDER BY started_at DESC LIMIT 12', $database));
}

# That a call is refused with an SQLSTATE and a text.
sub refused
{
	my ($query, $code, $text, $database) = @_;
	my ($status, $out, $error) = $node->psql($database // 'postgres', "\\set VERBOSITY verbose\n$query");
	return like($error, qr/ERROR:\s+$code: .*$text/s, "$code: $query");
}

sql('CREATE EXTENSION billing; SELECT billing.install(); CREATE ROLE runner LOGIN; GRANT billing_operator TO runner');
$node->safe_psql('postgres', 'CREATE DATABASE "app 2"');
sql('CREATE EXTENSION billing; SELECT billing.install()', 'app 2');
for my $database ('postgres', 'app 2')
{
	sql(q{SELECT billing.create_meter('calls', unit => 'call'), billing.create_plan('pro', currency => 'EUR');
		SELECT billing.add_charge('pro', 'calls', meter => 'calls', price => '{"model":"unit","unit":"0.5"}'), billing.publish_plan('pro');
		SELECT billing.create_account('acme'), billing.subscribe('acme', plan => 'pro', starts => (now() AT TIME ZONE 'UTC')::date - 40);
		SELECT billing.record_usage('acme', 'calls', 'one', 7);
		-- Jobs of modules that have tests of their own stay out of this one.
		SELECT billing.set_job(job, enabled => false) FROM billing.jobs WHERE job IN ('escalation', 'retention', 'personal_data')}, $database);
}

# What is missing is said, with what to do.
refused('SELECT billing.schedule_jobs()', 'MB457', 'CREATE EXTENSION pg_cron');
sql('CREATE EXTENSION pg_cron');
refused(q{SELECT billing.schedule_jobs(role => 'nobody at all')}, 'MB400', 'There is none');
refused(q{SELECT billing.schedule_jobs(role => 'billing_operator')}, 'MB400', 'may not log in');
refused(q{SELECT billing.schedule_jobs(database => 'nowhere', role => 'runner')}, 'MB400', 'unknown database');
refused(q{SELECT billing.schedule_jobs(role => 'runner', schedules => '{"no_job": "* * * * *"}')}, 'MB458', 'unknown job "no_job"');
refused(q{SELECT billing.schedule_jobs(role => 'runner', schedules => '{"rating": "now"}')}, 'MB400', 'is no schedule');
refused(q{SELECT billing.schedule_jobs(role => 'runner')}, 'MB457', q{psql -d 'app 2' -Atc "SELECT billing.schedule_jobs_script\(\)" \| psql -d postgres}, 'app 2');

# The other database: by the script of the hint, and by dblink.
my $script = sql(q{SELECT billing.schedule_jobs_script(role => 'runner')}, 'app 2');
sql($script);
my $on_cron = q{SELECT count(*), count(DISTINCT username), min(username), bool_and(jobname LIKE 'billing\_%') FROM cron.job WHERE database = };
is(sql("$on_cron 'app 2'"), '8|1|runner|t', 'the script puts the other database on the schedule');
is(sql(q{SELECT count(*) FROM billing.health WHERE is_scheduled}, 'app 2'), '7', 'which its health knows');
my $ids = q{SELECT string_agg(jobid::text, ',' ORDER BY jobid) FROM cron.job};
my $before = sql($ids);
sql($script);
is(sql($ids), $before, 'run again, it changes nothing');
sql('CREATE SCHEMA tools; CREATE EXTENSION dblink SCHEMA tools; SELECT billing.unschedule_jobs()', 'app 2');
is(sql("$on_cron 'app 2'"), '0|0||', 'dblink takes them off');
is(sql(q{SELECT billing.schedule_jobs(role => 'runner', schedules => '{"count_sync": "* * * * *"}')}, 'app 2'), '8', 'and puts them on');
is(sql("$on_cron 'app 2'"), '8|1|runner|t', 'as the role asked for');

# This database. Another role replaces the first, and a second call changes nothing.
sql('SELECT billing.schedule_jobs()');
is(sql("$on_cron 'postgres'"), '8|1|postgres|t', 'as whoever asks, unless told otherwise');
my $schedules = q{SELECT billing.schedule_jobs(role => 'runner', schedules => '{"count_sync": "* * * * *", "rating": "* * * * *", "sealing": "* * * * *"}')};
sql($schedules);
is(sql("$on_cron 'postgres'"), '8|1|runner|t', 'the jobs of the role before are gone');
$before = sql($ids);
sql($schedules);
is(sql($ids), $before, 'scheduled again, entries that are right stay');
is(sql("$on_cron 'app 2'"), '8|1|runner|t', 'and those of the other database');

# Everything was done once; from here on only the schedule runs jobs. Rating cannot work; count sync is made to last.
sql('CALL billing.run_overdue_jobs()');
is(sql(q{SELECT count(*) FILTER (WHERE status NOT IN ('ok', 'disabled')) FROM billing.health}), '0', 'all is well');
sql(q{UPDATE billing.jobs SET options = '{"batch_tenants":0}', retry_after = '1 second' WHERE job = 'rating';
	SELECT billing.record_usage('acme', 'calls', 'two', 5)});
is(sql(q{SELECT status, backlog, oldest_seconds < 60 FROM billing.health WHERE stage = 'count_sync'}), 'ok|1|t', 'an event waits to be counted');
my $holder = open_session($node, q{BEGIN; SELECT FROM billing.stage_locks WHERE stage = 'count_sync' FOR UPDATE});
my $holding = sql('SELECT now()');

wait_for(qq{SELECT EXISTS (SELECT FROM billing.job_runs WHERE job = 'count_sync' AND status = 'running' AND is_scheduled AND started_at > '$holding' AND transactions = 2)},
	'count sync fires, and gets to its third step');
like(sql(q{SELECT run_by, progress, transactions, finished_at IS NULL FROM billing.job_runs WHERE job = 'count_sync' ORDER BY started_at DESC LIMIT 1}), qr/^runner\|coverage: .*\|2\|t$/,
	'it is seen while it runs, with what it did');
is(sql(q{SELECT is_running FROM billing.health WHERE stage = 'count_sync'}), 't', 'in health too');
my ($status, $out, $error) = $node->psql('postgres', 'CALL billing.job_count_sync()');
like($error, qr/NOTICE:  job "count_sync" is running since .* in process \d+, at: coverage/, 'it is not started again');
is($status, 0, 'which is no error');
is(sql(q{SELECT count(*) FROM billing.job_runs WHERE job = 'count_sync' AND status = 'running'}), '1', 'and leaves no second run');
# By count_sync or, as everything there was never done, by rating.
wait_for(q{SELECT EXISTS (SELECT FROM billing.job_runs WHERE job = 'count_sync' AND status = 'succeeded' AND is_scheduled)
	AND (SELECT sum(quantity) = 7 FROM billing.daily_counts)}, 'the other database counts', 75, 'app 2');
wait_for(qq{SELECT EXISTS (SELECT FROM billing.job_runs WHERE job = 'sealing' AND status = 'succeeded' AND is_scheduled AND started_at > '$holding')}, 'the log is sealed');

# Rating waits for the stage of count sync as well: let both go on. The next minute runs count sync again, held before it starts to work.
close_session($holder, 'COMMIT');
wait_for(q{SELECT EXISTS (SELECT FROM billing.job_runs WHERE job = 'count_sync' AND status = 'succeeded' AND is_scheduled) AND (SELECT sum(quantity) = 12 FROM billing.daily_counts)}, 'released, it counts the event');
wait_for(q{SELECT failures > 0 FROM billing.jobs WHERE job = 'rating'}, 'rating fails');
like(sql(q{SELECT sqlstate, status, error FROM billing.job_runs WHERE job = 'rating' ORDER BY started_at DESC LIMIT 1}), qr/^MB400\|failed\|rating: a batch of 0 tenants is none/, 'the error is kept');
like(sql(q{SELECT status, failures > 0, last_error, last_failure_at IS NOT NULL FROM billing.health WHERE stage = 'rating'}), qr/^failing\|t\|MB400: rating: a batch of 0 tenants is none\|t/, 'and shows in health');
# Both waited for the stage, and whichever had it first counted the event.
like(sql(q{SELECT rows_done, transactions FROM billing.job_runs WHERE job = 'rating' ORDER BY started_at DESC LIMIT 1}), qr/^[01]\|4$/, 'what it did before stays done');

# A run that breaks off with the server, a job whose only minute passes while it is down, and a failure that can now be made good.
sql(q{SELECT billing.set_job('rating', options => '{"batch_tenants":100}'); UPDATE billing.jobs SET overdue_after = '5 seconds' WHERE job = 'invoice_run'});
$holder = open_session($node, q{BEGIN; SELECT FROM billing.stage_locks WHERE stage = 'count_sync' FOR UPDATE});
my $broken = time;
$node->psql('postgres', q{SET statement_timeout = '300ms'; CALL billing.run_job('count_sync')});
like(sql(q{SELECT sqlstate, error FROM billing.job_runs WHERE job = 'count_sync' AND NOT is_scheduled AND status = 'failed'}), qr/^57014\|counts: canceling statement/, 'a run that is cancelled has failed');
sql(q{UPDATE billing.jobs SET retry_at = NULL, failures = 0 WHERE job = 'count_sync'});
my $victim = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{CALL billing.run_job('count_sync')} ], '>', \my $dropped, '2>', \my $dropped_too);
wait_for(q{SELECT EXISTS (SELECT FROM billing.job_runs WHERE job = 'count_sync' AND status = 'running')}, 'one more begins', 20);
sql(q{SELECT billing.schedule_jobs(role => 'runner', schedules => jsonb_build_object('invoice_run',
	to_char(date_trunc('minute', now() AT TIME ZONE 'UTC') + interval '1 minute', 'FMMI FMHH24 * * *')))});
my $invoiced = sql(q{SELECT done_to FROM billing.jobs WHERE job = 'invoice_run'});
my $minute = sql(q{SELECT extract(epoch FROM date_trunc('minute', now()))::bigint});
$node->stop('immediate');
eval { $victim->finish };
eval { $holder->{run}->finish };
sleep 0.5 while time < $minute + 62;
$node->start;
my $restarted = sql('SELECT now()');
is(sql(q{SELECT is_running FROM billing.health WHERE stage = 'count_sync'}), 't', 'the broken run is not marked yet');
wait_for(qq{SELECT done_to > '$restarted' FROM billing.jobs WHERE job = 'invoice_run'}, 'the missed run is made up for');
like(sql(q{SELECT command FROM cron.job_run_details WHERE command LIKE '%invoice_run%'}), qr/^$/, 'though its minute never came');
wait_for(qq{SELECT last_success_at > '$restarted' FROM billing.jobs WHERE job = 'count_sync'}, 'count sync goes on');
is(sql(q{SELECT sqlstate, error FROM billing.job_runs WHERE job = 'count_sync' AND status = 'failed' AND error NOT LIKE '%cancel%'}), '|its session ended while it was running', 'the broken run is marked failed');
wait_for(q{SELECT failures = 0 FROM billing.jobs WHERE job = 'rating'}, 'the failed one succeeds');
is(sql(q{SELECT status, failures FROM billing.health WHERE stage = 'rating'}), 'ok|0', 'and health says so');
wait_for(qq{SELECT done_to > '$restarted' FROM billing.jobs WHERE job = 'count_sync'}, 'the other database goes on', 75, 'app 2');

# What pg_cron did to the books.
is(sql(q{SELECT count(*), count(DISTINCT job) FROM billing.job_runs WHERE status = 'running'}), '0|0', 'nothing is left running');
is(sql(q{SELECT sum(quantity), sum(events) FROM billing.daily_counts}), '12|2', 'each event is counted once');
is(sql('SELECT * FROM billing.check_integrity()') . sql('SELECT * FROM billing.replay_count_sync()') . sql('SELECT * FROM billing.verify_log()'), '', 'the books hold');
sql('SELECT billing.unschedule_jobs()');
is(sql("$on_cron 'postgres'"), '0|0||', 'off the schedule');
is(sql("$on_cron 'app 2'"), '8|1|runner|t', 'only this database');
diag(sprintf('%.0f s', time - $began));

done_testing();
