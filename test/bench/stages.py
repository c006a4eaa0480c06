"""The stages that are measured, each beside its floor: what plain PostgreSQL must do anyway on the same rows."""

from dataclasses import dataclass
from typing import Callable

EVENT_COLUMNS = "tenant_id, meter_id, event_id, occurred_at, quantity"
TENANTS = 200

# Same columns as ours, and where the stage says so the same unique index; none of what count sync and the log need.
FLOOR_USAGE = """
CREATE TABLE floor_usage (
    tenant_id text COLLATE "C" NOT NULL, meter_id text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL DEFAULT 'main', occurred_at timestamptz NOT NULL,
    usage_day date NOT NULL GENERATED ALWAYS AS ((occurred_at AT TIME ZONE 'UTC')::date) STORED, quantity numeric NOT NULL,
    dimensions jsonb NOT NULL DEFAULT '{}', attribution jsonb, correlation_id text, corrects_event_id text COLLATE "C",
    recorded_at timestamptz NOT NULL DEFAULT now());
CREATE UNIQUE INDEX ON floor_usage (usage_day, tenant_id, meter_id, event_id);
"""

CATALOGUE = """
SELECT billing.ensure_partitions('2026-01-01', '2028-01-01');
SELECT billing.create_meter('requests', unit => 'request'), billing.create_meter('tokens', unit => 'token');
SELECT billing.create_plan('pro', currency => 'EUR'), billing.add_charge('pro', 'base', price => '{"model":"flat","amount":"49"}'),
    billing.add_charge('pro', 'requests', meter => 'requests',
        price => '{"model":"graduated","tiers":[{"up_to":"10","unit":"0"},{"up_to":null,"unit":"0.002"}]}'),
    billing.add_charge('pro', 'tokens', meter => 'tokens', price => '{"model":"unit","unit":"15","per":"1000"}'), billing.publish_plan('pro');
"""


def customers(tenants):
    """Accounts with a subscription each, made by the public calls."""
    return f"""
SELECT billing.create_account('t' || n) FROM generate_series(1, {tenants}) AS n;
SELECT billing.subscribe('t' || n, plan => 'pro', starts => '2026-01-01') FROM generate_series(1, {tenants}) AS n;
"""


def events(rows, part, tenants=TENANTS):
    """New events of January 2026, in nearly ascending order of time, as they arrive."""
    return f"""SELECT 't' || 1 + n % {tenants}, CASE n % 2 WHEN 0 THEN 'requests' ELSE 'tokens' END, 'event-{part}-' || n,
       timestamptz '2026-01-01 00:00:00Z' + n * (interval '31 days' / {rows + 1}), 1 + n % 7 FROM generate_series(1, {rows}) AS n"""


@dataclass
class Side:
    """Statements that are timed; those that go before them are not."""

    timed: str
    before: str = ""
    as_script: bool = False  # many statements, a transaction each
    clients: int = 0  # by pgbench, and then transactions a second
    sessions: tuple = ()  # instead of timed: the statements of several sessions at once


@dataclass
class Stage:
    name: str
    floor_name: str
    aim: float
    unit: str  # ms: ours / floor; tps: ours / floor, where more is better
    rows: Callable[[int], int]
    setup: Callable[[int], str]
    floor: Callable[[int, int], Side]
    ours: Callable[[int, int], Side]
    fresh_rounds: bool = False  # each round in a copy of the database as set up
    fresh_sides: bool = False  # and each side in one of its own
    growth_aim: float = 0  # ten times the rows cost at most so many times as much
    limit: float = 0  # milliseconds that ours may take, where there is no floor


def copy_side(table):
    def side(rows, part):
        file = f"/usage-{part}"
        return Side(timed=f"\\copy {table} ({EVENT_COLUMNS}) from '@home@{file}'",
                    before=f"\\copy ({events(rows, part)}) to '@home@{file}'".replace("\n", " "))
    return side


def array_statements(rows, part, statement):
    """Statements of 1,000 events each, as an application writes them: with literals."""
    lines = []
    for first in range(0, rows, 1000):
        batch = [(f"t{1 + n % TENANTS}", "requests", f"{part}-{n}", f"2026-01-{1 + n * 31 // rows:02} 12:00Z", 1 + n % 7)
                 for n in range(first, min(first + 1000, rows))]
        lines.append(statement(batch))
    return Side(timed="\n".join(lines), as_script=True)


def insert_statement(batch):
    values = ",".join(f"('{t}','{m}','{e}','{at}',{q})" for t, m, e, at, q in batch)
    return f"INSERT INTO floor_usage ({EVENT_COLUMNS}) VALUES {values} ON CONFLICT DO NOTHING;"


def record_statement(batch):
    tenant, meter, event, at, quantity = (",".join(f'"{value}"' for value in column) for column in zip(*batch))
    return f"SELECT billing.record_usage_arrays('{{{tenant}}}', '{{{meter}}}', '{{{event}}}', '{{{quantity}}}', '{{{at}}}');"


SINGLE_FLOOR = f"""\\set n random(1, 1000000000)
INSERT INTO floor_usage ({EVENT_COLUMNS}) VALUES ('t1', 'requests', gen_random_uuid()::text, '2026-01-15 12:00Z', 1) ON CONFLICT DO NOTHING;
"""
SINGLE_OURS = """SELECT billing.record_usage('t1', 'requests', gen_random_uuid()::text, 1, '2026-01-15 12:00Z');
"""


def sync_setup(_rows):
    return CATALOGUE + customers(TENANTS) + """
CREATE TABLE floor_counts (LIKE billing.daily_counts INCLUDING ALL);
"""


def load_usage(rows, part):
    return f"INSERT INTO billing.usage_records ({EVENT_COLUMNS}) {events(rows, part)};"


def sync_floor(rows, part):
    """Grouping the rows of this round alone: they are found by their transaction, as ours are."""
    return Side(before=load_usage(rows, part) + "\nVACUUM (ANALYZE) billing.usage_records;\nTRUNCATE floor_counts;\nCHECKPOINT;",
                timed=f"""INSERT INTO floor_counts (day, tenant_id, account_id, meter_id, dimensions, quantity, events, latest_at, window_no)
SELECT usage_day, tenant_id, account_id, meter_id, dimensions, sum(quantity), count(*), max(occurred_at), {part + 1}
  FROM billing.usage_records WHERE log_xid = (SELECT max(log_xid) FROM billing.usage_records) GROUP BY 1, 2, 3, 4, 5;""")


def batch_setup(tenants):
    """A month of counts for each tenant and meter. The first rating fills what its floor then copies."""
    return CATALOGUE + customers(tenants) + f"""
INSERT INTO billing.usage_records ({EVENT_COLUMNS})
SELECT 't' || t, m, 'e' || d, timestamptz '2026-01-01 12:00Z' + d * interval '3 days', 10 + t % 7
  FROM generate_series(1, {tenants}) AS t, unnest('{{requests,tokens}}'::text[]) AS m, generate_series(0, 9) AS d ORDER BY 4;
SELECT billing.sync_counts();
ANALYZE;
"""


def copies(tables):
    """What the stage wrote, copied into a table with the same indexes: the floor of writing it. A table's name may have a condition."""
    return "".join(f"CREATE TABLE floor_{t.split()[0]} (LIKE billing.{t.split()[0]} INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING CONSTRAINTS); "
                   f"CREATE TABLE source_{t.split()[0]} AS SELECT * FROM billing.{t}; " for t in tables)


def write_copies(tables):
    return "".join(f"INSERT INTO floor_{t.split()[0]} SELECT * FROM source_{t.split()[0]}; " for t in tables)


def batch_stage(name, floor_name, tables, before, call, growth_aim=0):
    """Ours goes first in each round: the floor writes again what it wrote."""
    return Stage(
        name=name, floor_name=floor_name, aim=2, unit="ms", rows=lambda scale: 1000 * scale, setup=batch_setup, fresh_rounds=True, growth_aim=growth_aim,
        ours=lambda _n, _part: Side(before=before + "VACUUM ANALYZE; CHECKPOINT;", timed=call),
        floor=lambda _n, _part: Side(before=copies(tables) + "CHECKPOINT;", timed=f"BEGIN; {write_copies(tables)} COMMIT;"))


def by_tenant_range(before, call, *ranges):
    """The call by a session for each range of tenants."""
    return lambda _n, _part: Side(timed="", before=before + "VACUUM ANALYZE; CHECKPOINT;",
                                  sessions=tuple(call.replace("@tenants@", f"first_tenant => '{first}', last_tenant => '{last}'") for first, last in ranges))


def two_sessions_stage(name, before, call):
    """By two sessions with half of the tenants each, beside the same by one, and nothing is aimed at but that two are not slower. In byte
    order t55 is the middle of a power of ten of them."""
    return Stage(name, "the same by one session", 1, "ms", lambda scale: 1000 * scale, batch_setup, by_tenant_range(before, call, ("t", "u")),
                 by_tenant_range(before, call, ("t", "t54~"), ("t55", "u")), fresh_sides=True)


FLOOR_ENTRIES = "CREATE TABLE floor_entries (LIKE billing.ledger_entries INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING CONSTRAINTS);"
INSERT_ENTRY = """INSERT INTO floor_entries (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account, amount_minor, currency, source, source_id)
VALUES (current_date, @tenant@, gen_random_uuid(), 'main', 'payment', 'cash', 'receivable', 100, 'EUR', 'hand', '00000000-0000-0000-0000-000000000001');
"""


def posting_stage(name, tenant):
    return Stage(
        name=name, floor_name="the same single-row INSERT by 8 clients", aim=0.9, unit="tps", rows=lambda _scale: 1,
        setup=lambda _n: CATALOGUE + customers(TENANTS) + FLOOR_ENTRIES
        + "SELECT billing.ensure_partitions(current_date, current_date + 1);",
        floor=lambda _n, _part: Side(timed="\\set n random(1, 200)\n" + INSERT_ENTRY.replace("\n", " ", 1).replace("@tenant@", tenant), clients=8),
        ours=lambda _n, _part: Side(timed=f"\\set n random(1, 200)\nSELECT billing.post_entry({tenant}, 'payment', 100, 'EUR');\n", clients=8))


def balance_setup(entries):
    """One tenant with all the entries and one with 1,000, closed as the job for sealing does it, and 100 of each after that."""
    insert = """INSERT INTO billing.ledger_entries (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account, amount_minor, currency, source, source_id)
SELECT date '2026-01-01' + n / {many} % 365, {tenant}, gen_random_uuid(), 'main', 'payment', 'cash', 'receivable', 100, 'EUR',
       'hand', '00000000-0000-0000-0000-000000000001' FROM generate_series(1, {entries}) AS n;
"""
    return (CATALOGUE + customers(2) + insert.format(many=entries // 365 + 1, tenant="'t1'", entries=entries)
            + insert.format(many=3, tenant="'t2'", entries=1000) + "VACUUM (ANALYZE) billing.ledger_entries;\nSELECT FROM billing.close_balances();\n"
            + "".join(insert.format(many=1, tenant=f"'t{n}'", entries=100) for n in (1, 2)))


def balance_side(tenant):
    """A session that asks often: the first time it plans, the rest is reading."""
    return lambda _n, _part: Side(timed=f"SELECT count(billing.balance('{tenant}', 'EUR', 'cash')) FROM generate_series(1, 500);")


MONTHS = 24
PAGES = 20


def page_setup(lines):
    """Two years of finalized invoices of three lines, one a tenant and month, loaded into the tables, and sealed."""
    invoices = lines // 3
    tenants = invoices // MONTHS
    return CATALOGUE + customers(10) + f"""
CREATE TABLE page AS SELECT n, 't' || 1 + n % {tenants} AS tenant_id, md5('invoice ' || n)::uuid AS invoice_id, md5('subscription ' || n % {tenants})::uuid AS subscription_id,
       (date '2026-01-01' + make_interval(months => n / {tenants}))::date AS invoice_date, (date '2025-12-01' + make_interval(months => n / {tenants}))::date AS period_start
  FROM generate_series(0, {tenants * MONTHS - 1}) AS n;
INSERT INTO billing.invoices (invoice_date, tenant_id, invoice_id, account_id, legal_entity_id, currency, attempt, status, number, period_start, period_end, line_count,
                              content_hash, subtotal_minor, total_minor, due_date, finalized_at)
SELECT invoice_date, tenant_id, invoice_id, 'main', 'default', 'EUR', 1, 'finalized', 'INV-' || n, period_start, invoice_date, 3, sha256('x'), 4930, 4930, invoice_date + 30, now() FROM page;
INSERT INTO billing.invoice_lines (invoice_date, tenant_id, invoice_id, line_no, rated_line_id, subscription_id, plan_id, version, charge_id, period_start, period_end, share_days,
                                   share_of_days, quantity, rated_minor, billed_minor, amount_minor, currency, is_correction)
SELECT invoice_date, tenant_id, invoice_id, l.line_no, md5(n || 'line' || line_no)::uuid, subscription_id, 'pro', 1, l.charge_id, period_start, invoice_date, 30, 30, l.quantity,
       l.amount_minor, 0, l.amount_minor, 'EUR', false
  FROM page, (VALUES (1, 'base', 1, 4900), (2, 'requests', 100, 18), (3, 'tokens', 8, 12)) AS l (line_no, charge_id, quantity, amount_minor);
INSERT INTO billing.invoice_events (tenant_id, invoice_id, sequence, from_status, to_status, total_minor, actor, occurred_at, document_hash, prev_hash, self_hash)
SELECT tenant_id, invoice_id, 1, 'draft', 'finalized', 4930, 'loader', now(), sha256('x'), sha256('x'), sha256(n::text::bytea) FROM page ORDER BY tenant_id, invoice_id;
DROP TABLE page;
VACUUM (ANALYZE) billing.invoices, billing.invoice_lines, billing.invoice_events;
SELECT FROM billing.seal();
"""


def page_of(lines, part, k):
    """The number of an invoice of tenant t7, of any month."""
    return f"INV-{6 + (part * PAGES + k) % MONTHS * (lines // 3 // MONTHS)}"


def page_side(lines, part):
    """Pages as their tenant sees them: the invoice with its lines and their tiers, and the event that stands for it in the log."""
    pages = "".join(f"SELECT count(billing.invoice_document('{page_of(lines, part, k)}')), (SELECT count(document_hash) FROM billing.invoice_events e "
                    f"WHERE e.invoice_id = md5('invoice ' || substr('{page_of(lines, part, k)}', 5))::uuid);\n" for k in range(PAGES))
    return Side(timed=f"\\timing off\nSELECT billing.issue_token('t7') AS token \\gset\nSET billing.token = :'token';\nSET ROLE bench_tenant;\n\\timing on\n{pages}",
                before="DO $$ BEGIN CREATE ROLE bench_tenant LOGIN IN ROLE billing_tenant; EXCEPTION WHEN duplicate_object THEN NULL; END $$;")


def proof_side(lines, part):
    """That the same invoices are in the log, as an auditor asks it."""
    proofs = "".join(f"SELECT length(billing.prove_inclusion('invoice_event', 't7', md5('invoice ' || substr('{page_of(lines, part, k)}', 5)), '1'));\n" for k in range(PAGES))
    return Side(timed=f"\\timing off\nSET ROLE billing_auditor;\n\\timing on\n{proofs}")


def page_stage(name, ours):
    return Stage(name, f"{PAGES} times 5 ms", 1, "ms", lambda scale: 100000 * scale, page_setup, floor=ours, ours=ours, limit=5 * PAGES)


STAGES = [
    Stage("usage in by COPY, exactly once", "COPY into a plain table with the same unique index", 1.15, "ms", lambda scale: 10000 * scale,
          lambda _n: CATALOGUE + FLOOR_USAGE, copy_side("floor_usage"), copy_side("billing.usage_records")),
    Stage("usage in, arrays of 1,000", "multi-row INSERT ON CONFLICT DO NOTHING", 1.25, "ms", lambda scale: 1000 * scale,
          lambda _n: CATALOGUE + customers(TENANTS) + FLOOR_USAGE,
          lambda rows, part: array_statements(rows, part, insert_statement),
          lambda rows, part: array_statements(rows, part, record_statement)),
    Stage("usage in, one per transaction, 8 clients", "the same single INSERT by pgbench", 0.9, "tps", lambda _scale: 1,
          lambda _n: CATALOGUE + customers(TENANTS) + FLOOR_USAGE,
          lambda _n, _part: Side(timed=SINGLE_FLOOR, clients=8), lambda _n, _part: Side(timed=SINGLE_OURS, clients=8)),
    Stage("count sync of new usage", "GROUP BY of the same rows and INSERT of the result", 1.5, "ms", lambda scale: 2000 * scale,
          sync_setup, sync_floor, lambda _n, _part: Side(timed="SELECT FROM billing.sync_counts();")),
    batch_stage("rating, 3 charges a tenant", "INSERT ... SELECT of the same lines and entries, precomputed", ["rated_lines", "ledger_entries"],
                "", "CALL billing.run_rating('2026-02-01');"),
    two_sessions_stage("rating by two sessions, half the tenants each", "", "CALL billing.run_rating('2026-02-01', @tenants@);"),
    batch_stage("invoice run, 3 lines a tenant, finalized", "INSERT ... SELECT of the same invoices, lines, events, runs and entries",
                ["invoices", "invoice_lines", "invoice_events", "invoice_runs", "ledger_entries WHERE source = 'invoice'"],
                "CALL billing.run_rating('2026-02-01');", "CALL billing.run_invoices('2026-02-01', finalize => true);", growth_aim=10.5),
    # From where invoices are numbered, runs of one seller take turns.
    two_sessions_stage("invoice run by two sessions, half each", "CALL billing.run_rating('2026-02-01');", "CALL billing.run_invoices('2026-02-01', finalize => true, @tenants@);"),
    posting_stage("posting one transfer, 8 clients", "'t' || :n"),
    posting_stage("posting one transfer on one hot account", "'t1'"),
    Stage("balance of an account, 500 times", "of one with 1,000 entries", 1.2, "ms", lambda scale: 100000 * scale, balance_setup, balance_side("t2"), balance_side("t1")),
    page_stage(f"{PAGES} invoice pages among as many lines", page_side),
    page_stage(f"{PAGES} proofs of invoices among as many lines", proof_side),
]
