# Every function, as a tenant's application and as its reader: what is not granted is refused, and a call with the tenant
# or an id of somebody else's answers, to the letter, what it answers for one that does not exist.
#
# The functions and their parameters are found in the catalogue. %value_of gives each parameter a value with which the call
# works for one's own; from there on tenant and ids are exchanged for everything that the other tenant has.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(sql_text);
use HostileTenant qw(attempted hostile_node print_counts run_script seed_tenants tenant_digest token_for);

# "parameter", or "function.parameter" where it means something else there => SQL expression of a value, @ being the
# tenant. The name of an unnamed parameter is its type. undef: left out, it has a default.
my %value_of = (
	tenant => q{'@'}, account => q{'main'}, plan => q{'h-pro'}, version => '1', currency => q{'EUR'}, meter => q{'h-calls'}, legal_entity => undef,
	name => q{'word-@'}, idempotency_key => q{'new-@'}, 'create_account.account' => q{'more'},
	subscription => q{(SELECT subscription_id FROM billing.subscriptions WHERE tenant_id = '@')}, 'subscribe.account' => q{'lab'},
	renewal => q{'manual'}, months => '12', notice_days => '30', starts => q{'2024-02-01'}, ends => undef, anchor => q{'calendar'}, trial_days => '0', effective => undef, at => q{'period_end'}, today => q{'2024-01-20'}, day => q{'2024-01-20'},
	allocation => q{'pod-@'}, 'open_allocation.allocation' => q{'box-@'}, 'open_allocation.meter' => q{'h-held'}, units => '1', opened_at => q{'2024-01-07Z'}, closed_at => q{'2024-01-08Z'},
	event_id => q{'new-@'}, quantity => '1', occurred_at => q{'2024-01-05Z'}, dimensions => q{'{}'}, attribution => q{'{}'}, correlation_id => q{'word-@'}, corrects => q{'event-@'},
	tenants => q{ARRAY['alpha', '@']}, meters => q{'{h-calls,h-calls}'}, event_ids => q{'{n1,n2}'}, quantities => q{'{1,1}'}, occurred_ats => q{'{2024-01-07Z,2024-01-07Z}'},
	'record_usage_arrays.dimensions' => undef, accounts => undef,
	'record_usage.events' => q{'[{"tenant":"alpha","meter":"h-calls","event_id":"n1","occurred_at":"2024-01-07Z"},{"tenant":"@","meter":"h-calls","event_id":"event-@","quantity":"7","occurred_at":"2024-01-05Z"}]'},
	ledger_account => q{'receivable'}, invoice => q{(SELECT number FROM billing.invoices WHERE tenant_id = '@' AND status = 'finalized' LIMIT 1)}, month => q{'2024-01-01'}, due_by => q{'2024-02-01'},
	field => q{'email'}, value => q{'word-@' || chr(64) || 'mail.example'}, restricted => 'false',
	kind => q{'word'}, parts => q{'{a,@}'}, document => q{'{"a":"@"}'}, bytea => q{'\x00'}, 'leaf_hash.canon' => q{'\x00'}, canon => q{'\x00'},
	meter_id => q{'h-calls'}, account_id => q{'main'}, corrects_event_id => q{'event-@'},
	amount_minor => '100', exponent => '2', price => q{'{"model":"unit","unit":"1"}'}, numerator => '1', denominator => '1', places => '2', total_quantity => '3', total => '10', weights => q{'{1,2}'},
	from => q{'2024-01-01'}, to => q{'2024-06-01'}, 'cycles.anchor' => q{'2024-01-01'}, 'cycle_containing.anchor' => q{'2024-01-01'}, period_months => '1', 'status_on.starts' => q{'2024-01-01'},
	'status_on.ends' => 'NULL', trial_ends => 'NULL',
	device => q{'device-@'}, devices => q{'[{"tenant":"alpha","device":"n1"},{"tenant":"@","device":"device-@"}]'}, device_type => q{'device'}, attestation => undef, enrolled_from => q{'2024-01-03'}, enrolled_to => undef,
	withdrawn_from => q{'2024-01-04'}, withdrawn_to => undef, event_type => q{'cover'}, effective_from => q{'2024-01-03'}, effective_to => undef, proof_hash => q{sha256('@')}, activity_day => q{'2024-01-05'},
	'record_coverage.events' => q{'[{"tenant":"alpha","device":"device-alpha","event_id":"n1","event_type":"cover","effective_from":"2024-01-03"},{"tenant":"@","device":"device-@","event_id":"covered-@","event_type":"cover","effective_from":"2024-01-02"}]'},
	'register_device.plan' => undef, 'register_device.device' => q{'more-@'}, 'change_device_plan.plan' => q{'gold'}, 'record_coverage.plan' => undef, 'cover_device.plan' => undef, 'enroll_device.plan' => undef,
	identity_type => q{'serial'}, identity_value => q{'serial-@'}, claimed_on => q{'2024-01-02'}, actor => q{'word-@'}, reason => q{'word-@'},
	claims => q{'[{"tenant":"alpha","device":"device-alpha","identity_type":"serial","identity_value":"n1"},{"tenant":"@","device":"device-@","identity_type":"serial","identity_value":"serial-@"}]'},
);

# Calls that cannot be made of their parameters.
my %whole_call = (
	'leaf_canon(text,"any")' => q{billing.leaf_canon('invoice_line', '@')},
	'merkle_agg(bytea)' => q{ (SELECT billing.merkle_agg(sha256('@'))) AS aggregated},
);

# Own calls that are refused all the same, and why: the pattern of the answer.
my %refused_own = ('leaf_canon(text,"any")' => qr/^MB400/);

my $node = hostile_node('main');
seed_tenants($node);

sub rows { return map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql('postgres', $_[0]); }

# The functions that a login may execute, or those that it may not: each { routine, name, kind, parameters }.
sub functions_of
{
	my ($login, $granted) = @_;
	my @functions;
	for my $row (rows("SELECT p.oid::regprocedure, p.proname, p.prokind, p.provolatile = 'i' AND NOT p.prosecdef, coalesce((
			SELECT json_agg(json_build_object('name', coalesce(nullif(p.proargnames[n], ''), t.typname), 'is_named', coalesce(p.proargnames[n], '') <> '',
			                                  'type', format_type(a.type, NULL), 'pseudo', t.typtype = 'p', 'variadic', p.provariadic <> 0 AND n = p.pronargs) ORDER BY n)
			  FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n) JOIN pg_type t ON t.oid = a.type), '[]')
		FROM pg_proc p WHERE p.pronamespace = 'billing'::regnamespace AND has_function_privilege('$login', p.oid, 'EXECUTE') = $granted ORDER BY p.oid::regprocedure::text COLLATE \"C\""))
	{
		push @functions, { routine => $row->[0] =~ s/^billing\.//r, name => $row->[1], kind => $row->[2], is_pure => $row->[3] eq 't', parameters => decode_json(join '|', @{$row}[ 4 .. $#$row ]) };
	}
	return @functions;
}

# ---- values: alpha's, bravo's, and some that nobody has ----
my %resolved;

sub value
{
	my ($expression, $tenant) = @_;
	my $sql = $expression =~ s/\@/$tenant/gr;
	return $resolved{$sql} //= $sql =~ /^\(SELECT/ ? $node->safe_psql('postgres', "SELECT coalesce(quote_literal($sql), 'NULL')") : $sql;
}

# What the other tenant has, as literals, by type: whatever is in a column of these types.
my %theirs = (text => {}, uuid => {});
for my $column (rows(q{SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	 WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.atttypid IN ('text'::regtype, 'uuid'::regtype)
	   AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id')}))
{
	my ($table, $name, $type) = @$column;
	# Of bravo alone: what alpha has as well (a plan, a currency, a status) is no id.
	for my $row (rows("SELECT DISTINCT $name FROM billing.$table WHERE tenant_id = 'bravo' AND length($name\::text) < 200
		AND $name\::text NOT IN (SELECT $name\::text FROM billing.$table WHERE tenant_id = 'alpha' AND $name IS NOT NULL) LIMIT 3"))
	{
		$theirs{$_}{ $row->[0] } = 1 for $type eq 'uuid' ? qw(text uuid) : 'text';
	}
}
cmp_ok(scalar keys %{ $theirs{uuid} }, '>', 5, 'the other tenant has ids');

# One of the same form that nobody has.
sub missing_like
{
	my ($id) = @_;
	return '00000000-0000-7000-8000-00000000dead' if $id =~ /^[0-9a-f-]{36}$/;
	return $id =~ s/\d{6}$/999999/r if $id =~ /-\d{6}$/;
	return $id =~ s/bravo/zulu4/r if $id =~ /bravo/;
	return 'zulu4' . ('4' x (length($id) > 5 ? length($id) - 5 : 0));
}

my @untaught;

# The calls of a function: the own one, and pairs of somebody else's and nobody's, each with what was exchanged.
sub calls_of
{
	my ($function) = @_;
	my $make = sub {
		my (%values) = @_;
		return join ', ', map { my $p = $_; my $value = $values{ $p->{name} }; defined $value ? ($p->{variadic} ? 'VARIADIC ' : '') . ($p->{is_named} ? qq{"$p->{name}" => } : '') . "($value)::$p->{type}" : () }
		  @{ $function->{parameters} };
	};
	if (my $whole = $whole_call{ $function->{routine} })
	{
		return { own => value($whole, 'alpha'), pairs => [ [ value($whole, 'bravo'), value($whole, 'zulu4'), 'bravo', 'zulu4' ] ] };
	}
	my (%own, %bravo, %zulu, @pairs);
	for my $p (@{ $function->{parameters} })
	{
		my ($key) = grep { exists $value_of{$_} } "$function->{name}.$p->{name}", $p->{name};
		if (!defined $key)
		{
			push @untaught, "$function->{routine}: a value of $p->{name} ($p->{type})";
			return;
		}
		next if !defined $value_of{$key};
		($own{ $p->{name} }, $bravo{ $p->{name} }) = map { value($value_of{$key}, $_) } qw(alpha bravo);
		$zulu{ $p->{name} } = $value_of{$key} =~ /^\(SELECT/ ? sql_text(missing_like($bravo{ $p->{name} } =~ s/^'|'$//gr)) : value($value_of{$key}, 'zulu4');
	}
	my $name = "billing.$function->{name}";
	my $add = sub { my ($theirs, $missing, @exchanged) = @_; push @pairs, [ "$name(" . $make->(%own, %$theirs) . ')', "$name(" . $make->(%own, %$missing) . ')', @exchanged ]; };
	my @differing = grep { $own{$_} ne $bravo{$_} } sort keys %own;
	$add->({ map { $_ => $bravo{$_} } @differing }, { map { $_ => $zulu{$_} } @differing }, map { ($bravo{$_} =~ s/^'|'$//gr, $zulu{$_} =~ s/^'|'$//gr) } grep { $bravo{$_} =~ /^'[^\[{]*'$/ } @differing) if @differing;
	$add->({ $_ => $bravo{$_} }, { $_ => $zulu{$_} }, map { s/^'|'$//gr } grep { /^'[^\[{]*'$/ } $bravo{$_}, $zulu{$_}) for @differing;
	for my $p (grep { defined $own{ $_->{name} } && $theirs{ $_->{type} } } @{ $function->{parameters} })
	{
		$add->({ $p->{name} => sql_text($_) }, { $p->{name} => sql_text(missing_like($_)) }, $_, missing_like($_)) for sort keys %{ $theirs{ $p->{type} } };
	}
	# Only a text may be another type's number or name, so that an optional tenant is left out as well.
	if (exists $own{tenant} && $function->{parameters}[0]{name} ne 'tenant')
	{
		for my $id (sort keys %{ $theirs{text} })
		{
			my $first = $function->{parameters}[0]{name};
			push @pairs, [ map { "$name(" . sql_text($_) . ')' } $id, missing_like($id) ];
			push @{ $pairs[-1] }, $id, missing_like($id);
		}
	}
	return { own => "$name(" . $make->(%own) . ')', pairs => \@pairs };
}

# ---- asking: the answer is what came out, or the whole error; nothing stays ----
my $answers = <<'ANSWER';
CREATE FUNCTION OWN.answer(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text; message text; detail text; hint text;
BEGIN
    EXECUTE 'SELECT coalesce(string_agg(r::text, chr(10)), ''nothing'') FROM (SELECT * FROM ' || call || ') AS r' INTO message;
    RAISE EXCEPTION USING ERRCODE = 'HT000', MESSAGE = message;
EXCEPTION WHEN SQLSTATE 'HT000' THEN
    RETURN 'answer ' || sqlerrm;
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws('|', code, message, detail, hint);
END
$$;
ANSWER

# An answer with what was exchanged, and ids made by chance, taken out.
sub normalized
{
	my ($answer, @exchanged) = @_;
	$answer =~ s/\Q$_\E/ID/g for sort { length $b <=> length $a } @exchanged;
	return $answer =~ s/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/gr =~ s/zulu4|bravo/TENANT/gr;
}

sub foreign_in
{
	my ($answer, @exchanged) = @_;
	$answer =~ s/\Q$_\E//g for sort { length $b <=> length $a } @exchanged;
	return grep { length $_ > 6 && index($answer, $_) >= 0 } keys %{ $theirs{text} };
}

sub ask
{
	my ($login, $token, $functions) = @_;
	my $who = $login . ($token eq '' ? ' without a token' : " by token");
	my (@questions, @leaks, %own_answer);
	for my $function (@$functions)
	{
		my $calls = calls_of($function) or next;
		push @questions, [ $function, 'own', $calls->{own} ], map { [ $function, 'pair', @$_ ] } @{ $calls->{pairs} };
	}
	my @attempts = map { my $q = $_; { lines => [ 'SELECT json_build_array(' . join(', ', map { "of_$login.answer(" . sql_text($_) . ')' } $q->[1] eq 'own' ? $q->[2] : @{$q}[ 2, 3 ]) . ')::text;' ] } } @questions;
	my $error = run_script($node, $login, ($token eq '' ? '' : "SET billing.token = '$token';\n") . ($answers =~ s/OWN/of_$login/gr), \@attempts);
	$node->safe_psql('postgres', "DROP FUNCTION of_$login.answer(text)");
	for my $i (0 .. $#questions)
	{
		my ($function, $kind, @call) = @{ $questions[$i] };
		die "$call[0]: $attempts[$i]{state} $attempts[$i]{message}" if $attempts[$i]{state} ne '00000';
		my @answer = @{ decode_json($attempts[$i]{out}) };
		if ($kind eq 'own') { $own_answer{ $function->{routine} } = $answer[0]; next; }
		my (undef, undef, @exchanged) = @call;
		# What computes from its arguments alone answers differently for different ones.
		push @leaks, "$call[0] answers $answer[0], and $call[1] answers $answer[1]" if !$function->{is_pure} && normalized($answer[0], @exchanged) ne normalized($answer[1], @exchanged);
		push @leaks, "$call[0] answers $answer[0], which shows $_" for foreign_in($answer[0], @exchanged);
	}
	my @made = map { $_->[2] } grep { $_->[1] eq 'pair' } @questions;
	return { own => \%own_answer, made => \@made, leaks => \@leaks, who => $who };
}

# The calls once more, each for good: what they leave is looked at in the end.
sub call_for_good
{
	my ($login, $token, @calls) = @_;
	my @attempts = map { { lines => ["SELECT * FROM $_;"] } } @calls;
	my $error = run_script($node, $login, "SET billing.token = '$token';", \@attempts);
	attempted("calls with another tenant's ids, for good", $login, scalar @calls, grep { /word-bravo/ && !/^(?:LINE|CONTEXT)|"\S*word-bravo/ } split /\n/, $error);
	return;
}

# With nulls that the planner does not know for such, lest it leave out the call of a strict function.
sub bare_call
{
	my ($function) = @_;
	my $null = sub { my ($p) = @_; return $p->{type} =~ /^any[a-z]/ ? 'NULL::text' : $p->{pseudo} ? 'NULL' : ($p->{variadic} ? 'VARIADIC ' : '') . ($function->{kind} eq 'p' ? "NULL::$p->{type}" : "(SELECT NULL::$p->{type})"); };
	return ($function->{kind} eq 'p' ? 'CALL' : 'SELECT') . " billing.$function->{name}(" . join(', ', map { $null->($_) } @{ $function->{parameters} }) . ');';
}

my $before = tenant_digest($node, 'bravo');
my (%calls, $own);
for my $login (qw(h_app h_tenant))
{
	my @functions = functions_of($login, 'true');
	my @other = functions_of($login, 'false');
	cmp_ok(scalar @functions, '>', 10, "$login has functions");
	for my $role ($login eq 'h_app' ? qw(app tenant) : 'tenant')
	{
		my $asked = ask($login, token_for($node, 'alpha', $role), \@functions);
		attempted("calls with another tenant's ids", $asked->{who}, 2 * @{ $asked->{made} }, @{ $asked->{leaks} });
		$calls{$login} = $asked->{made};
		$own = $asked->{own} if $role eq 'app';
	}
	my $asked = ask($login, '', \@functions);
	attempted("calls with another tenant's ids", $asked->{who}, 2 * @{ $asked->{made} }, @{ $asked->{leaks} });

	my @attempts = map { { call => $_->{routine}, lines => [ bare_call($_) ] } } grep { !grep { $_->{type} eq 'internal' } @{ $_->{parameters} } } @other;
	run_script($node, $login, "SET billing.token = '" . token_for($node, 'alpha') . "';", \@attempts);
	attempted('calls that are not granted', $login, scalar @attempts, map { "$_->{call}: $_->{state} $_->{message}" } grep { $_->{state} ne '42501' } @attempts);
}
call_for_good($_, token_for($node, 'alpha'), @{ $calls{$_} }) for sort keys %calls;
is(scalar @untaught, 0, 'every parameter of a granted function has a value') or diag join "\n", 'Teach %value_of in test/tap/t/057_hostile_calls.pl:', @untaught;
my @failed = grep { $own->{$_} !~ ($refused_own{$_} // qr/^answer /) } sort keys %$own;
is(scalar @failed, 0, 'and with it the call works for one\'s own') or diag join "\n", map { "$_: $own->{$_}" } @failed;
is(tenant_digest($node, 'bravo'), $before, 'every row of another tenant is as it was');

# It can tell: a function that looks before it checks, and one that shows.
$node->safe_psql('postgres', q{
CREATE FUNCTION billing.looks(tenant text, invoice text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM billing.invoices i WHERE i.number = invoice) THEN RAISE EXCEPTION 'no invoice'; END IF;
	PERFORM billing.require_tenant(tenant, false);
	RETURN invoice;
END $$;
CREATE FUNCTION billing.shows(allocation text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT string_agg(a.tenant_id || ' ' || r.correlation_id, ',') FROM billing.allocations a JOIN billing.usage_records r USING (tenant_id) WHERE a.allocation_id = allocation $$;
GRANT EXECUTE ON FUNCTION billing.looks(text, text), billing.shows(text) TO billing_app;});
my @told = ask('h_app', token_for($node, 'alpha'), [ grep { $_->{name} =~ /^(?:looks|shows)$/ } functions_of('h_app', 'true') ])->{leaks};
ok(scalar(grep { /billing.$_\(.* answers .*, and billing/ } @{ $told[0] }), "a function that $_ is found") for qw(looks shows);
ok(scalar(grep { /billing.shows\(.*, which shows / } @{ $told[0] }), 'and what it shows');
print_counts();
$node->stop;
done_testing();
