# Tenants with rows in every tenant table, logins that want to read one another's, and what they try, counted by class.
#
# Everything is found in the catalogue: a table or function made tomorrow is tried too. What cannot be found there stands
# in the tables at the top of this file, and the test that misses something says which line to add.
package HostileTenant;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(billing_node sql_text);

our @EXPORT_OK = qw(attempted hostile_node print_counts run_script seed_tenants sql_array tenant_digest token_for);

# The reader is alpha; nothing of the others may reach it. Each text that a call takes has a word of its tenant's in it.
our @tenants = qw(alpha bravo charlie);
our $foreign_mark = qr/bravo|charlie/;

# Calls that give a tenant rows, @ being the tenant; each is a session of its own. A new table gets its rows by a call here...
our @tenant_calls = (
	q{SELECT billing.create_account('@', name => 'word-@'), billing.create_account('@', name => 'word-@', account => 'lab')},
	q{SELECT billing.set_personal_data('@', 'main', 'email', 'word-@' || chr(64) || 'mail.example')},
	q{SELECT billing.subscribe('@', plan => 'h-pro', starts => '2024-01-01', ends => '2024-12-01', idempotency_key => 'word-@')},
	q{SELECT billing.set_renewal('@', subscription_id, 'manual') FROM billing.subscriptions WHERE tenant_id = '@'},
	q{SELECT billing.record_usage('@', 'h-calls', 'event-@', 7, '2024-01-05Z', attribution => '{"note":"word-@"}', correlation_id => 'word-@')},
	q{SELECT billing.open_allocation('@', 'pod-@', 'h-held', 1, '2024-01-06Z')},
	q{SELECT billing.post_entry('@', 'payment', 500, 'EUR', memo => 'word-@')},
	q{SELECT billing.register_device('@', 'device-@', enrolled_from => '2024-01-02'), billing.register_device('@', 'twin-@', enrolled_from => '2024-01-02')},
	q{SELECT billing.cover_device('@', 'device-@', 'covered-@', '2024-01-02'), billing.record_activity_proof('@', 'device-@', sha256('@'), '2024-01-05')},
	q{SELECT billing.claim_identity('@', 'device-@', 'serial', 'serial-@', '2024-01-02'), billing.claim_identity('@', 'twin-@', 'serial', 'serial-@', '2024-01-02')},
);
our @calls_for_all = (
	q{SELECT billing.sync_coverage('2024-01-31')},
	q{SELECT billing.sync_counts()},
	q{CALL billing.run_invoices('2024-02-01', finalize => true)},
	q{CALL billing.run_invoices('2024-03-01')},
	q{SELECT billing.seal()},
);
our @last_tenant_calls = (
	q{SELECT billing.evidence(number, '@') FROM billing.invoices WHERE tenant_id = '@' AND status = 'finalized' LIMIT 1},
	q{SELECT billing.evidence_month('@', '2024-01-01')},
);

# ...or a row made by its columns' types, and by these: "table.column" => SQL expression, @ being the tenant. The owner
# writes it, without the foreign keys.
our %column_value = (
	'usage_set_aside.meter_id' => q{'h-calls'}, 'erasures.reason_hash' => q{sha256('@')}, 'usage_window_parts.month' => q{date '2024-01-01'},
	'renewal_events.next_ends' => q{date '2024-02-05'},
	'usage_window_parts.rows_range' => q{'\x00' || sha256('@')}, 'usage_window_parts.counts_range' => q{'\x00' || sha256('@')},
);
our %type_value = (
	text => q{'word-@'}, uuid => 'gen_random_uuid()', bytea => q{sha256('@')}, date => q{date '2024-01-05'}, boolean => 'false',
	'timestamp with time zone' => q{timestamptz '2024-01-05Z'}, integer => '1', bigint => '1', smallint => '1', numeric => '1',
	jsonb => q{'{"note":"word-@"}'}, 'text[]' => q{'{word-@}'}, 'uuid[]' => 'ARRAY[gen_random_uuid()]', interval => q{interval '1 day'},
	pg_snapshot => q{'1:1:'}, xid8 => q{'1'}, daterange => q{'[2024-01-01,2024-02-01)'},
);

my %attempts;

# Counts attempts of a class, and fails the test when something of another tenant came out of one.
sub attempted
{
	my ($class, $who, $count, @leaks) = @_;
	$attempts{$class} += $count;
	is(scalar @leaks, 0, "$class, $who: $count attempts") or diag join "\n", grep { defined } @leaks[ 0 .. 9 ];
	return;
}

sub print_counts
{
	my $total = 0;
	for my $class (sort keys %attempts)
	{
		note "$attempts{$class} attempts, 0 foreign rows: $class";
		$total += $attempts{$class};
	}
	print "# $total attempts, 0 foreign rows\n" if Test::More->builder->is_passing;
	return;
}

# A node with keys for tokens and for the log, a catalogue, and the logins: h_app and h_tenant, who may make things in
# schemas of their own.
sub hostile_node
{
	my ($name) = @_;
	my $keys = PostgreSQL::Test::Utils::tempdir();
	system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$keys/signing.pem");
	my $secret = `openssl rand -base64 32`;
	append_to_file("$keys/token.keys", "test HS256 $secret");
	append_to_file("$keys/field.keys", 'test ' . `openssl rand -base64 32`);
	chmod 0600, map { "$keys/$_" } qw(signing.pem token.keys field.keys);
	my %config = ('billing.token_key_file' => "'$keys/token.keys'", 'billing.log_origin' => "'example.org'",
		'billing.signing_key_file' => "'$keys/signing.pem'", 'billing.field_key_file' => "'$keys/field.keys'", max_prepared_transactions => 5, log_min_messages => 'fatal', log_min_error_statement => 'panic');
	my $node = billing_node($name, %config);
	$node->safe_psql('postgres', q{
		SELECT billing.ensure_partitions('2024-01-01', '2024-06-01');
		SELECT billing.create_meter('h-calls', unit => 'call'), billing.create_meter('h-held', unit => 's'),
			billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{plan,device_type}');
		SELECT billing.create_plan('h-pro', 'EUR'), billing.add_charge('h-pro', 'base', price => '{"model":"flat","amount":"49"}', in_advance => true),
			billing.add_charge('h-pro', 'calls', meter => 'h-calls', price => '{"model":"unit","unit":"0.5"}'), billing.publish_plan('h-pro');
		CREATE ROLE h_app LOGIN IN ROLE billing_app;
		CREATE ROLE h_tenant LOGIN IN ROLE billing_tenant;
		CREATE SCHEMA of_h_app AUTHORIZATION h_app;
		CREATE SCHEMA of_h_tenant AUTHORIZATION h_tenant;});
	return $node;
}

sub token_for
{
	my ($node, $tenant, $role) = @_;
	return $node->safe_psql('postgres', "SELECT billing.issue_token('$tenant', '" . ($role // 'app') . "')");
}

# Rows of each tenant in each tenant table. Dies at a call that fails; fails the test at a table that stays empty.
sub seed_tenants
{
	my ($node) = @_;
	my @by_tenant = map { my $tenant = $_; map { s/\@/$tenant/gr } @tenant_calls } @tenants;
	my @last = map { my $tenant = $_; map { s/\@/$tenant/gr } @last_tenant_calls } @tenants;
	$node->safe_psql('postgres', $_) for @by_tenant, @calls_for_all, @last;
	my @untaught;
	for my $tenant (@tenants)
	{
		for my $table (split /\n/, $node->safe_psql('postgres', q{
			SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			 WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1}))
		{
			next if $node->safe_psql('postgres', "SELECT count(*) FROM billing.$table WHERE tenant_id = '$tenant'") > 0;
			my $problem = insert_row($node, $table, $tenant);
			push @untaught, "$table has no row of $tenant: $problem" if defined $problem;
		}
	}
	is(scalar @untaught, 0, 'every tenant table has rows of every tenant')
	  or diag join "\n", @untaught, 'Teach it: a call in @tenant_calls, or a "table.column" in %column_value, of test/tap/lib/HostileTenant.pm';
	return;
}

# A row of the types that the columns have, as the owner. Returns the error, if any.
sub insert_row
{
	my ($node, $table, $tenant) = @_;
	my (@columns, @values);
	for my $line (split /\n/, $node->safe_psql('postgres', qq{
		SELECT a.attname, format_type(a.atttypid, NULL), coalesce((
			SELECT (regexp_match(pg_get_constraintdef(k.oid), '(?:= ANY \\(+ARRAY\\[|\\m' || a.attname || ' = )(''[^'']*'')'))[1]
			  FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ALL (k.conkey)
			   AND pg_get_constraintdef(k.oid) ~ '= ANY|= ''' LIMIT 1), '')
		  FROM pg_attribute a WHERE a.attrelid = 'billing.$table'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef}))
	{
		my ($column, $type, $allowed) = split /\|/, $line;
		my $value = $column eq 'tenant_id' ? q{'@'} : $column_value{"$table.$column"} // ($allowed || undef) // $type_value{$type};
		return "no value for a column $column of type $type" if !defined $value;
		push @columns, qq{"$column"};
		push @values, $value =~ s/\@/$tenant/gr;
	}
	for my $taught (grep { /^\Q$table\E\./ } sort keys %column_value)
	{
		my $column = $taught =~ s/.*\.//r;
		next if grep { $_ eq qq{"$column"} } @columns;
		push @columns, qq{"$column"};
		push @values, $column_value{$taught} =~ s/\@/$tenant/gr;
	}
	my ($status, undef, $error) = $node->psql('postgres',
		"SET session_replication_role = replica;\nINSERT INTO billing.$table (" . join(', ', @columns) . ') VALUES (' . join(', ', @values) . ')', on_error_stop => 1);
	return $status == 0 ? undef : $error;
}

# Every row of a tenant, in every table that has one: "table|rows|hash".
sub tenant_digest
{
	my ($node, $tenant) = @_;
	my @selects = map { "SELECT '$_', count(*), md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM billing.$_ t WHERE tenant_id = '$tenant'" }
	  split /\n/, $node->safe_psql('postgres', q{SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			 WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition});
	return $node->safe_psql('postgres', join(' UNION ALL ', @selects) . ' ORDER BY 1');
}

sub sql_array { return 'ARRAY[' . join(', ', map { sql_text($_) } @_) . ']::text[]'; }

# Runs attempts in one session of a login. Each is { lines => [statement, ...] }, and gets back state (the first SQLSTATE
# that is an error, or 00000), message, rows (of the last statement that worked) and out. Returns standard error.
sub run_script
{
	my ($node, $login, $before, $attempts) = @_;
	my $script = "\\set QUIET on\n\\set VERBOSITY verbose\n$before\n";
	for my $i (0 .. $#$attempts)
	{
		$script .= "$_\n\\echo \@\@ $i :SQLSTATE :ROW_COUNT :LAST_ERROR_MESSAGE\n" for @{ $attempts->[$i]{lines} };
		@{ $attempts->[$i] }{qw(state message rows out)} = ('00000', '', 0, '');
	}
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . " user=$login", '-f', '-' ], '<', \$script, '>', \$out, '2>', \$error, IPC::Run::timeout(280))
	  or die "psql ended: $error";
	my $collected = '';
	my $seen = -1;
	for my $line (split /\n/, $out)
	{
		if ($line !~ /\A(.*)\@\@ (\d+) (\w{5}) (\d+) ?(.*)\z/)
		{
			$collected .= "$line\n";
			next;
		}
		my $attempt = $attempts->[$2];
		$seen = $2;
		$attempt->{out} .= "$collected$1";
		$collected = '';
		$attempt->{rows} = $4 if $3 eq '00000';
		@{$attempt}{qw(state message)} = ($3, $5) if $3 ne '00000' && $attempt->{state} eq '00000';
	}
	$seen == $#$attempts or die "the session ended after $seen: $error";
	return $error;
}

1;
