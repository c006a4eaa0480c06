# A tenant with SQL of its own against every table, partition and view that has a tenant_id: no row of another tenant
# comes out, nothing is written, and what exists is refused in the words of what does not.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BillingTest qw(sql_text);
use HostileTenant qw(attempted hostile_node print_counts run_script seed_tenants tenant_digest token_for);

my $mark = $HostileTenant::foreign_mark;
my $node = hostile_node('main');
seed_tenants($node);

# What is to be protected: how much of each relation is alpha's, its key, and bravo's values of that key.
sub relations
{
	my @relations;
	for my $line (split /\n/, $node->safe_psql('postgres', q{
		SELECT c.relname, c.relkind, c.relispartition,
		       coalesce((SELECT string_agg(quote_ident(k.attname), ',' ORDER BY k.attnum) FROM pg_index i JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY (i.indkey)
		                  WHERE i.indrelid = c.oid AND i.indisprimary), 'tenant_id')
		  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
		 WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.relname COLLATE "C"}))
	{
		my ($name, $kind, $is_partition, $key) = split /\|/, $line;
		my %relation = (name => "billing.$name", is_view => $kind eq 'v', is_partition => $is_partition eq 't', key => $key);
		($relation{own}, $relation{all}) = split /\|/, $node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE tenant_id = 'alpha'), count(*) FROM billing.$name");
		$relation{theirs} = $node->safe_psql('postgres', "SELECT format('%s', string_agg(quote_nullable(v), ',' ORDER BY o)) FROM (
			SELECT row_to_json(r) AS j FROM (SELECT $key FROM billing.$name WHERE tenant_id = 'bravo' LIMIT 1) AS r) AS one,
			json_each_text(j) WITH ORDINALITY AS e (k, v, o)") || join ',', map { $_ eq 'tenant_id' ? "'bravo'" : 'NULL' } split /,/, $key;
		push @relations, \%relation;
	}
	return @relations;
}

my @relations = relations();
my $own_rows = 0;
$own_rows += $_->{own} for grep { !$_->{is_partition} } @relations;

# ---- what is tried on a relation; kind: read (own rows or 42501), refuse (an error, 42501 on a table) ----

# [class, kind, statement, ...]; R is the relation, OWN the login's schema, BRAVO and ALPHA tokens of theirs.
my $parallel = $node->safe_psql('postgres', q{SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});
my @reads = (
	[ 'select', 'SELECT * FROM R;' ], [ 'select', 'TABLE R;' ], [ 'select', 'SELECT r FROM R AS r;' ], [ 'select', 'SELECT string_agg(r::text, chr(10)) FROM R AS r;' ],
	[ 'select', 'SELECT min(tenant_id), max(tenant_id) FROM R;' ], [ 'select', 'SELECT to_jsonb(r) FROM R AS r;' ], [ 'select', 'SELECT DISTINCT tenant_id FROM R;' ],
	[ 'select', 'SELECT a.*, b.* FROM R AS a FULL JOIN R AS b USING (tenant_id);' ], [ 'select', 'SELECT l.* FROM pg_class c, LATERAL (SELECT r FROM R AS r) AS l WHERE c.oid = 1259;' ],
	[ 'select', q{SELECT query_to_xml('SELECT * FROM R', true, false, '');} ], [ 'select', q{SELECT table_to_xml('R'::regclass, true, false, '');} ],
	[ 'count', 'SELECT count(*) FROM R;' ], [ 'count', q{SELECT count(*) FROM R WHERE true OR tenant_id = 'bravo';} ], [ 'count', 'SELECT count(*) FROM ONLY R;' ],
	[ 'foreign tenant', q{SELECT * FROM R WHERE tenant_id = 'bravo';} ], [ 'foreign tenant', q{SELECT * FROM R WHERE tenant_id <> 'alpha';} ],
	[ 'foreign tenant', q{SELECT * FROM R WHERE (KEYS) = (THEIRS);} ], [ 'foreign tenant', q{SELECT * FROM R WHERE tenant_id > 'alpha' ORDER BY tenant_id DESC LIMIT 3;} ],
	[ 'copy', 'COPY (SELECT * FROM R) TO STDOUT;' ], [ 'copy', 'COPY R TO STDOUT;' ], [ 'copy', 'COPY R (tenant_id) TO STDOUT (FORMAT csv);' ],
	[ 'cursor', 'BEGIN; DECLARE c SCROLL CURSOR FOR SELECT * FROM R;', 'FETCH ALL FROM c;', 'FETCH BACKWARD ALL FROM c;', 'COMMIT;' ],
	[ 'cursor', 'DECLARE h CURSOR WITH HOLD FOR SELECT * FROM R;', 'FETCH ALL FROM h;', 'CLOSE ALL;' ],
	[ 'cursor', q{BEGIN; DECLARE c CURSOR FOR SELECT * FROM R;}, q{SET LOCAL billing.token = 'x'; ROLLBACK; SELECT * FROM R;} ],
	[ 'explain', 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM R;' ], [ 'explain', 'EXPLAIN (VERBOSE) SELECT * FROM R;' ],
	[ 'explain', q{EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM R WHERE tenant_id <> 'alpha';} ],
	[ 'sample and ctid', 'SELECT * FROM R TABLESAMPLE BERNOULLI (100);' ], [ 'sample and ctid', 'SELECT * FROM R TABLESAMPLE SYSTEM (100);' ],
	[ 'sample and ctid', 'SELECT tableoid::regclass, ctid, xmin, r FROM R AS r;' ], [ 'sample and ctid', q{SELECT * FROM R WHERE ctid = ANY (SELECT format('(0,%s)', n)::tid FROM generate_series(1, 50) AS n);} ],
	[ 'sample and ctid', q{SELECT * FROM R WHERE ctid >= '(0,0)';} ],
	[ 'leaky condition', 'SELECT count(*) FROM R AS r WHERE OWN.leak(r::text);' ], [ 'leaky condition', q{SELECT count(*) FROM R WHERE tenant_id OPERATOR(OWN.<<<) '';} ],
	[ 'leaky condition', q{SELECT * FROM R WHERE 1 / (CASE WHEN tenant_id <> 'alpha' THEN 0 ELSE 1 END) = 1;} ],
	[ 'leaky condition', q{SELECT count(*) FROM R WHERE CASE tenant_id WHEN 'alpha' THEN 1 ELSE tenant_id::integer END = 1;} ],
	[ 'leaky condition', q{SELECT count(*) FROM R AS r LEFT JOIN LATERAL (SELECT OWN.leak(r::text)) AS l ON true;} ],
	[ 'leaky condition', 'SELECT count(*) FROM R AS r ORDER BY max(OWN.leak(r::text)::integer);' ],
	[ 'plan cache', 'PREPARE p AS SELECT * FROM R;', 'SET billing.token = BRAVO;', '\\o /dev/null', 'EXECUTE p;', '\\o', 'RESTORE', 'EXECUTE p;', 'DEALLOCATE p;' ],
	[ 'plan cache', 'SET plan_cache_mode = force_generic_plan; PREPARE p AS SELECT * FROM R;', 'SET billing.token = BRAVO;', '\\o /dev/null', 'EXECUTE p;', '\\o', 'RESTORE', 'EXECUTE p;', 'DEALLOCATE p; RESET plan_cache_mode;' ],
	[ 'plan cache', 'CREATE FUNCTION OWN.reads() RETURNS SETOF text LANGUAGE plpgsql AS $f$ BEGIN RETURN QUERY SELECT r::text FROM R AS r; END $f$;', 'SET billing.token = BRAVO;', '\\o /dev/null',
		'SELECT OWN.reads();', '\\o', 'RESTORE', 'SELECT OWN.reads();', 'DROP FUNCTION OWN.reads();' ],
	[ 'savepoint', 'BEGIN; SAVEPOINT s;', 'SET LOCAL billing.token = BRAVO;', '\\o /dev/null', 'SELECT * FROM R;', '\\o', 'ROLLBACK TO s;', 'SELECT * FROM R;', 'COMMIT;' ],
	[ 'savepoint', 'BEGIN;', 'SET LOCAL billing.token = BRAVO;', '\\o /dev/null', 'SELECT * FROM R;', '\\o', 'COMMIT;', 'SELECT * FROM R;' ],
	[ 'savepoint', 'BEGIN;', 'SET billing.token = BRAVO;', 'ROLLBACK;', 'SELECT * FROM R;' ],
	[ 'savepoint', q{DO $d$ BEGIN PERFORM set_config('billing.token', BRAVO, false); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $d$;}, 'SELECT * FROM R;' ],
	[ 'parallel', "SET $parallel = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;",
		'SELECT * FROM R;', 'SELECT tenant_id, count(*) FROM R GROUP BY 1;', "RESET ALL;", 'RESTORE' ],
	[ 'own objects', 'CREATE VIEW OWN.v AS SELECT * FROM R;', 'SELECT * FROM OWN.v WHERE OWN.leak(tenant_id);', 'SELECT * FROM OWN.v;', 'DROP VIEW OWN.v;' ],
	[ 'own objects', 'CREATE VIEW OWN.v WITH (security_barrier = false) AS SELECT tenant_id FROM R WHERE OWN.leak(tenant_id);', 'SELECT * FROM OWN.v;', 'DROP VIEW OWN.v;' ],
	[ 'own objects', 'CREATE FUNCTION OWN.reads() RETURNS text LANGUAGE sql SECURITY DEFINER AS $f$ SELECT string_agg(r::text, chr(10)) FROM R AS r $f$;', 'SELECT OWN.reads();', 'DROP FUNCTION OWN.reads();' ],
	[ 'own objects', 'DO $d$ DECLARE r record; BEGIN FOR r IN SELECT * FROM R LOOP RAISE NOTICE $q$saw %$q$, r; END LOOP; END $d$;' ],
	[ 'own objects', 'CREATE TEMP TABLE copied AS SELECT * FROM R;', 'SELECT * FROM copied;', 'DROP TABLE copied;' ],
	[ 'own objects', 'CREATE MATERIALIZED VIEW OWN.m AS SELECT * FROM R;', 'SELECT * FROM OWN.m;', 'DROP MATERIALIZED VIEW OWN.m;' ],
	[ 'shadows', q{CREATE FUNCTION pg_temp.current_tenant() RETURNS text LANGUAGE sql AS $f$ SELECT 'bravo' $f$;}, 'SET search_path = pg_temp, OWN, pg_catalog;', 'SELECT * FROM R;', 'RESET search_path; DROP FUNCTION pg_temp.current_tenant();' ],
	[ 'shadows', 'SET search_path = OWN, pg_catalog;', q{SELECT * FROM R WHERE tenant_id = 'bravo' OR tenant_id <> 'bravo';}, 'RESET search_path;' ],
	[ 'statistics', q{SELECT * FROM pg_stats WHERE schemaname || '.' || tablename = 'R';} ], [ 'statistics', q{SELECT * FROM pg_stats_ext WHERE schemaname || '.' || tablename = 'R';} ],
	[ 'statistics', q{SELECT s.* FROM pg_stats s JOIN pg_index i ON i.indexrelid = format('%I.%I', s.schemaname, s.tablename)::regclass WHERE i.indrelid = 'R'::regclass;} ],
	[ 'statistics', q{SELECT * FROM pg_statistic WHERE starelid = 'R'::regclass;} ],
);
my @refusals = (
	[ 'row_security = off', 'SET row_security = off;', 'SELECT * FROM R;', 'RESET row_security;' ], [ 'row_security = off', 'SET row_security = off;', 'COPY R TO STDOUT;', 'RESET row_security;' ],
	[ 'lock', 'SELECT * FROM R FOR UPDATE;' ], [ 'lock', 'SELECT * FROM R FOR SHARE;' ], [ 'lock', 'SELECT * FROM R FOR KEY SHARE SKIP LOCKED;' ],
	[ 'lock', 'BEGIN; LOCK TABLE R IN ACCESS EXCLUSIVE MODE;', 'ROLLBACK;' ], [ 'lock', 'BEGIN; LOCK TABLE R IN ROW EXCLUSIVE MODE;', 'ROLLBACK;' ],
	[ 'write', q{INSERT INTO R (tenant_id) VALUES ('alpha');} ], [ 'write', q{INSERT INTO R DEFAULT VALUES;} ], [ 'write', 'INSERT INTO R SELECT * FROM R;' ],
	[ 'write', 'UPDATE R SET tenant_id = tenant_id;' ], [ 'write', q{UPDATE R SET tenant_id = 'alpha' WHERE tenant_id = 'bravo' RETURNING *;} ], [ 'write', 'DELETE FROM R;' ],
	[ 'write', q{DELETE FROM R WHERE tenant_id = 'bravo' RETURNING *;} ], [ 'write', q{MERGE INTO R AS t USING (VALUES ('bravo')) AS s (x) ON t.tenant_id = s.x WHEN MATCHED THEN DELETE;} ],
	[ 'write', q{MERGE INTO R AS t USING (VALUES ('bravo')) AS s (x) ON t.tenant_id = s.x WHEN NOT MATCHED THEN INSERT (tenant_id) VALUES (s.x);} ],
	[ 'write', 'TRUNCATE R;' ], [ 'write', 'TRUNCATE R CASCADE;' ], [ 'write', 'COPY R FROM STDIN;', '\\.' ], [ 'write', 'COPY R (tenant_id) FROM STDIN;', '\\.' ],
	[ 'write', q{WITH gone AS (DELETE FROM R RETURNING *) SELECT * FROM gone;} ],
	[ 'definition', 'ALTER TABLE R DISABLE ROW LEVEL SECURITY;' ], [ 'definition', 'ALTER TABLE R OWNER TO CURRENT_USER;' ], [ 'definition', 'DROP POLICY tenant_rows ON R;' ],
	[ 'definition', 'CREATE POLICY mine ON R USING (true);' ], [ 'definition', 'ALTER POLICY tenant_rows ON R USING (true);' ], [ 'definition', 'DROP TABLE R CASCADE;' ],
	[ 'definition', 'CREATE INDEX mine ON R (tenant_id);' ], [ 'definition', 'CREATE TRIGGER mine BEFORE INSERT ON R FOR EACH ROW EXECUTE FUNCTION OWN.on_change();' ],
	[ 'definition', 'CREATE RULE mine AS ON INSERT TO R DO ALSO NOTIFY x;' ], [ 'definition', 'ALTER TABLE R ADD COLUMN mine text;' ], [ 'definition', 'ALTER TABLE R DISABLE TRIGGER ALL;' ],
	[ 'definition', 'CREATE TABLE OWN.heir () INHERITS (R);' ], [ 'definition', 'CREATE TABLE OWN.part PARTITION OF R DEFAULT;' ], [ 'definition', 'CREATE TABLE OWN.refers (KEYDEFS, FOREIGN KEY (KEYS) REFERENCES R);' ],
	[ 'definition', 'CREATE VIEW billing.mine AS SELECT * FROM R;' ], [ 'definition', 'CREATE STATISTICS OWN.mine ON tenant_id, tableoid FROM R;' ],
);
# Each with the key of a row of bravo's, and with one that no row has.
my @key_probes = ('INSERT INTO R (KEYS) VALUES (THEIRS);', 'INSERT INTO R (KEYS) VALUES (THEIRS) ON CONFLICT DO NOTHING;', 'UPDATE R SET (KEYS) = ROW (THEIRS);');

sub fill
{
	my ($relation, $login, $restore, $bravo, @lines) = @_;
	my %with = (R => $relation->{name}, OWN => "of_$login", KEYS => $relation->{key}, THEIRS => $relation->{theirs}, BRAVO => "'$bravo'", RESTORE => $restore,
		KEYDEFS => join(', ', map { "$_ text" } split /,/, $relation->{key}));
	s/(?<![\w'])(R|OWN|KEYS|THEIRS|BRAVO|RESTORE|KEYDEFS)(?!\w)|'R'/defined $1 ? $with{$1} : "'$relation->{name}'"/ge for @lines;
	return @lines;
}

# What psql printed on standard error, without what it repeats of the statement.
sub said { return grep { !/^(?:LINE \d|CONTEXT|QUERY|STATEMENT|LOCATION|PL\/pgSQL|SQL )/ } split /\n/, $_[0]; }

sub leak_of
{
	my ($attempt, $may_read, $has_token) = @_;
	my ($relation, $own) = ($attempt->{relation}, $has_token ? $attempt->{relation}{own} : 0);
	my $what = "$attempt->{who}: @{ $attempt->{lines} }: $attempt->{state} $attempt->{message} $attempt->{out}";
	return $what if $attempt->{out} =~ $mark || ($attempt->{message} =~ /word-$mark/);
	if ($attempt->{kind} eq 'read' && $attempt->{class} ne 'statistics')
	{
		return $what if !$may_read && $attempt->{state} eq '00000';
		return $what if !$may_read && !$relation->{is_view} && $attempt->{state} !~ /^(?:42501|42703|42P17|42809)$/;
		return $what if $may_read && $attempt->{state} =~ /^(?:22|MB|XX)/;
		return "not readable: $what" if $may_read && $attempt->{class} eq 'select' && $attempt->{state} ne '00000';
		return "rows: $what" if $attempt->{class} eq 'count' && $may_read && $attempt->{out} !~ /^(?:$own|0)$/;
		return "rows: $what" if $attempt->{class} eq 'explain' && grep { $_ > (($relation->{is_view} && $has_token ? $own_rows : $own) || 1) } $attempt->{out} =~ /actual rows=(\d+)/g;
		return "rows: $what" if $attempt->{class} eq 'foreign tenant' && $attempt->{rows} > 0;
		return "nothing read: $what" if $attempt->{class} =~ /^(?:select|parallel|savepoint|plan cache)$/ && $may_read && $own > 0 && $attempt->{out} !~ /alpha/;
		return;
	}
	return if $attempt->{kind} eq 'read';
	return $what if $attempt->{state} eq '00000';
	return $what if !$relation->{is_view} && $attempt->{state} !~ /^(?:42501|42P17|42809|42P16|0A000|42704|42601|42804|42830|42P10|428C9)$/;
	return $what if $attempt->{class} =~ /^(?:write|lock|row_security = off)$/ && !$relation->{is_view} && $attempt->{state} !~ /^(?:42501|0A000|42809|428C9)$/;
	return;
}

sub attack_relations
{
	my ($login, $token, $bravo, @relations) = @_;
	my $restore = $token eq '' ? 'RESET billing.token;' : "SET billing.token = '$token';";
	my @attempts;
	my $who = $login . ($token eq '' ? ' without a token' : ' as alpha');
	for my $relation (@relations)
	{
		for my $pair ([ 'read', \@reads ], [ 'refuse', \@refusals ])
		{
			push @attempts, map { my ($class, @lines) = @$_; { class => $class, kind => $pair->[0], relation => $relation, who => $who, lines => [ fill($relation, $login, $restore, $bravo, @lines) ] } } @{ $pair->[1] };
		}
		for my $probe (@key_probes)
		{
			my %missing = (%$relation, theirs => $relation->{theirs} =~ s/'bravo'/'nobody'/gr);
			push @attempts, map { { class => 'unique keys', kind => 'refuse', relation => $relation, who => $who, is_missing => $_ == \%missing,
				lines => [ fill($_, $login, $restore, $bravo, $probe) ] } } $relation, \%missing;
		}
	}
	my %may_read = map { $_->{name} => $node->safe_psql('postgres', "SELECT has_table_privilege('$login', '$_->{name}', 'SELECT')") eq 't' } @relations;
	my $before = "$restore\nCREATE FUNCTION of_$login.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS \$\$ BEGIN RAISE NOTICE 'saw %', \$1; RETURN true; END \$\$;
		CREATE FUNCTION of_$login.leak(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT of_$login.leak(\$1)';
		CREATE OPERATOR of_$login.<<< (LEFTARG = text, RIGHTARG = text, FUNCTION = of_$login.leak);
		CREATE FUNCTION of_$login.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
		CREATE OPERATOR of_$login.= (LEFTARG = text, RIGHTARG = text, FUNCTION = of_$login.always);
		CREATE FUNCTION of_$login.on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';";
	my $error = run_script($node, $login, $before, \@attempts);
	$node->safe_psql('postgres', "DROP OWNED BY $login CASCADE; GRANT CREATE ON SCHEMA public TO $login; CREATE SCHEMA of_$login AUTHORIZATION $login");
	my %leaks;
	my %count;
	for my $attempt (@attempts)
	{
		$count{ $attempt->{class} }++;
		push @{ $leaks{ $attempt->{class} } }, leak_of($attempt, $may_read{ $attempt->{relation}{name} }, $token ne '');
	}
	for my $i (grep { $attempts[$_]{is_missing} } 0 .. $#attempts)
	{
		my ($theirs, $missing) = @attempts[ $i - 1, $i ];
		push @{ $leaks{'unique keys'} }, "@{ $theirs->{lines} }: $theirs->{message}; missing: $missing->{message}" if "$theirs->{state} $theirs->{message}" ne "$missing->{state} $missing->{message}";
	}
	$count{'error texts'} = 1;
	$leaks{'error texts'} = [ grep { /word-$mark|saw .*$mark/ } said($error) ];
	return map { [ $_, $who, $count{$_}, @{ $leaks{$_} } ] } sort keys %count;
}

cmp_ok(scalar(grep { !$_->{is_partition} } @relations), '>', 20, 'there are relations of tenants');
is(join(' ', map { $_->{name} } grep { !$_->{is_partition} && !$_->{is_view} && $_->{all} <= $_->{own} } @relations), '', 'each with rows of others');
$node->safe_psql('postgres', 'ANALYZE');
my $before = tenant_digest($node, 'bravo');
for my $login (qw(h_app h_tenant))
{
	my $bravo = token_for($node, 'bravo');
	attempted(@$_) for attack_relations($login, token_for($node, 'alpha'), $bravo, @relations), attack_relations($login, '', $bravo, @relations);
}
is(tenant_digest($node, 'bravo'), $before, 'every row of another tenant is as it was');

# They can tell: without row security on one table nearly every way of reading it is found.
$node->safe_psql('postgres', 'ALTER TABLE billing.accounts DISABLE ROW LEVEL SECURITY');
my @told = map { $_->[0] } grep { @$_ > 3 } attack_relations('h_app', token_for($node, 'alpha'), token_for($node, 'bravo'), grep { $_->{name} eq 'billing.accounts' } @relations);
is(join(', ', @told), join(', ', sort 'select', 'count', 'foreign tenant', 'copy', 'cursor', 'explain', 'sample and ctid', 'leaky condition', 'plan cache', 'savepoint', 'parallel',
	'own objects', 'shadows', 'statistics', 'row_security = off', 'error texts'), 'a table without row security is found');
print_counts();
$node->stop;
done_testing();
