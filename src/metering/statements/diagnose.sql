-- Follows events_array.sql, after record.sql: the first event of the batch that is not recorded as given, and why.
-- Columns: index, event_id, tenant_id, meter_id, sqlstate, message, detail, hint. No row: all is well.
, checked AS (
SELECT e.*, m.dimensions AS keys, u.account_id AS old_account_id, u.quantity AS old_quantity, u.dimensions AS old_dimensions,
       u.occurred_at AS old_occurred_at, u.corrects_event_id AS old_corrects_event_id,
       CASE WHEN e.corrects_event_id IS NULL AND u.corrects_event_id IS NULL AND u.occurred_at = coalesce(e.given_at, u.occurred_at)
             AND (u.account_id, u.quantity, u.dimensions) = (e.account_id, e.quantity, e.dimensions) THEN NULL -- recorded as given, now or before
            WHEN billing.usage_card(e.tenant_id, e.meter_id, e.event_id, e.account_id, e.quantity, e.dimensions, e.attribution, e.correlation_id, e.corrects_event_id) IS NOT NULL THEN 'card'
            WHEN e.tenant_id IS NULL OR e.meter_id IS NULL OR e.event_id IS NULL THEN 'missing'
            WHEN a.tenant_id IS NULL THEN CASE WHEN EXISTS (SELECT FROM billing.accounts o WHERE o.tenant_id = e.tenant_id) THEN 'account' ELSE 'tenant' END
            WHEN m.meter_id IS NULL THEN 'meter'
            WHEN e.usage_day NOT BETWEEN '0001-01-01' AND '9999-12-30' THEN 'time'
            WHEN billing.usage_problem(e.event_id, e.quantity, e.dimensions, e.attribution, e.corrects_event_id, m.aggregation, m.dimensions) IS NOT NULL
            THEN billing.usage_problem(e.event_id, e.quantity, e.dimensions, e.attribution, e.corrects_event_id, m.aggregation, m.dimensions)
            WHEN u.event_id IS NULL AND NOT EXISTS (
                 SELECT FROM billing.subscriptions s
                  WHERE s.tenant_id = e.tenant_id AND s.account_id = e.account_id
                    AND s.starts <= e.usage_day AND (s.ends IS NULL OR s.ends > e.usage_day)) THEN 'subscription'
            WHEN NOT billing.has_usage_partition(e.occurred_at)
            THEN CASE WHEN e.usage_day < (SELECT t.dropped_before FROM billing.partitioned_tables t WHERE t.table_name = 'usage_records') THEN 'closed' ELSE 'partition' END
            WHEN e.corrects_event_id IS NOT NULL AND NOT EXISTS (
                 SELECT FROM billing.usage_records c
                  WHERE c.usage_day = e.usage_day AND c.tenant_id = e.tenant_id AND c.meter_id = e.meter_id AND c.event_id = e.corrects_event_id
                    AND c.occurred_at >= e.day_start AND c.occurred_at < e.day_end) THEN 'corrected'
            WHEN u.event_id IS NULL THEN 'changed'
            WHEN (u.account_id, u.quantity, u.dimensions) <> (e.account_id, e.quantity, e.dimensions)
              OR u.occurred_at <> e.given_at OR u.corrects_event_id IS DISTINCT FROM e.corrects_event_id THEN 'conflict'
       END AS reason
  FROM events e
  LEFT JOIN billing.accounts a ON a.tenant_id = e.tenant_id AND a.account_id = e.account_id
  LEFT JOIN billing.meters m ON m.meter_id = e.meter_id
  LEFT JOIN billing.usage_records u ON u.usage_day = e.usage_day AND u.tenant_id = e.tenant_id AND u.meter_id = e.meter_id AND u.event_id = e.event_id
   AND u.occurred_at >= e.day_start AND u.occurred_at < e.day_end
), first AS (
SELECT * FROM checked WHERE reason IS NOT NULL ORDER BY index LIMIT 1
)
SELECT f.index::integer, f.event_id, f.tenant_id, f.meter_id, r.sqlstate, r.message, r.detail, r.hint
  FROM first f
  JOIN LATERAL (VALUES
    ('card', 'MB422', billing.usage_card(f.tenant_id, f.meter_id, f.event_id, f.account_id, f.quantity, f.dimensions, f.attribution, f.correlation_id, f.corrects_event_id), NULL, NULL),
    ('missing', 'MB400', 'tenant, meter and event_id must be given', NULL, NULL),
    ('tenant', 'MB440', format('unknown tenant "%s"', f.tenant_id), NULL, 'Create its account: billing.create_account(tenant, name => ...).'),
    ('account', 'MB440', format('unknown account "%s" of tenant "%s"', f.account_id, f.tenant_id), NULL, 'Create it: billing.create_account(tenant, name => ..., account => ...).'),
    ('meter', 'MB441', format('unknown meter "%s"', f.meter_id), NULL, 'Create it: billing.create_meter(meter, unit => ...).'),
    ('time', 'MB400', format('occurred_at %s is not a time of the years 1 to 9999', f.occurred_at), NULL, NULL),
    ('event id', 'MB400', format('event_id has %s characters, not 1 to 255', length(f.event_id)), NULL, NULL),
    ('quantity', 'MB415', format('quantity %s cannot be recorded', coalesce(f.quantity::text, 'null')), 'A quantity is a number below 10^20 with at most 18 decimals.', NULL),
    ('negative quantity', 'MB415', format('quantity %s is negative', f.quantity), 'Only a correction to a meter that sums or counts may be negative.', 'Name the event it corrects: corrects => event_id.'),
    ('itself', 'MB400', format('event "%s" cannot correct itself', f.event_id), NULL, 'A correction is an event of its own, with an id of its own.'),
    ('attribution', 'MB400', 'attribution must be a JSON object', format('Its type is %s.', jsonb_typeof(f.attribution)), NULL),
    ('dimensions', 'MB419', format('dimensions %s are not those of meter "%s"', f.dimensions, f.meter_id),
     format('Dimensions are a JSON object of strings; the meter has these keys: %s.', coalesce(nullif(array_to_string(f.keys, ', '), ''), 'none')), NULL),
    ('subscription', 'MB418', format('account "%s" of tenant "%s" has no subscription on %s', f.account_id, f.tenant_id, to_char(f.usage_day, 'YYYY-MM-DD')), NULL,
     'Subscribe it, or give the time at which the event happened.'),
    ('partition', 'MB424', format('table "usage_records" has no partition for %s', to_char(f.usage_day, 'YYYY-MM')), NULL,
     format('Run: SELECT billing.ensure_partitions(%L, %L);', to_char(f.usage_day, 'YYYY-MM-01'), to_char(f.day_start AT TIME ZONE 'UTC' + interval '1 month', 'YYYY-MM-01'))),
    ('closed', 'MB424', format('month %s of table "usage_records" is closed', to_char(f.usage_day, 'YYYY-MM')),
     'Retention dropped it: what was recorded of it stands as it was counted, and nobody can tell any more whether this event was.', NULL),
    ('corrected', 'MB449', format('unknown event "%s" to correct', f.corrects_event_id), 'A correction has the tenant, meter and UTC day of the event it names.',
     format('The correction is on %s.', to_char(f.usage_day, 'YYYY-MM-DD'))),
    ('conflict', 'MB409', format('event "%s" was recorded with other content', f.event_id),
     format('Recorded: account "%s", quantity %s, dimensions %s, at %s, corrects %s; given: account "%s", quantity %s, dimensions %s, at %s, corrects %s.',
            f.old_account_id, f.old_quantity, f.old_dimensions, f.old_occurred_at, coalesce(quote_ident(f.old_corrects_event_id), 'none'),
            f.account_id, f.quantity, f.dimensions, f.occurred_at, coalesce(quote_ident(f.corrects_event_id), 'none')),
     'Use a new event id for a new event; correct one by a negative event that names it.'),
    ('changed', '40001', format('event "%s" could not be recorded', f.event_id), 'Its account, meter, subscription or partition changed at the same time.', 'Retry.')
  ) AS r (reason, sqlstate, message, detail, hint) ON r.reason = f.reason
