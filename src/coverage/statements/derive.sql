-- The state of devices on days. Goes after edge (snapshot: what is visible in it counts; NULL: everything) and affected (tenant_id,
-- device_id, starts, ends), and ends with derived (tenant_id, device_id, coverage_day, account_id, coverage_state, plan, is_counted) of
-- every affected day, and those of devices that share an identity with such a device.
--
-- A fence stands after each look-up by device: with OFFSET 0 there it is one index probe per device, with nothing a join with the whole table.
, direct AS MATERIALIZED (
SELECT tenant_id, device_id, range_agg(daterange(starts, ends)) AS days FROM affected WHERE starts < ends GROUP BY tenant_id, device_id
), near AS MATERIALIZED ( -- the identities in dispute, or once so, that these devices claim
SELECT d.tenant_id, i.identity_type, i.identity_value, range_agg(d.days) AS days
  FROM direct d
 CROSS JOIN LATERAL (SELECT DISTINCT c.identity_type, c.identity_value FROM billing.identity_claim_events c
                      WHERE c.tenant_id = d.tenant_id AND c.device_id = d.device_id AND c.event_type IN ('disputed', 'resolved') OFFSET 0) AS i
 GROUP BY d.tenant_id, i.identity_type, i.identity_value
), wanted AS MATERIALIZED ( -- whether a device is counted depends on those that share an identity with it
SELECT w.tenant_id, w.device_id, range_agg(w.days) AS days
  FROM (SELECT * FROM direct
        UNION ALL
        SELECT i.tenant_id, c.device_id, i.days FROM near i
         CROSS JOIN LATERAL (SELECT DISTINCT c.device_id FROM billing.identity_claim_events c
                              WHERE c.tenant_id = i.tenant_id AND c.identity_type = i.identity_type AND c.identity_value = i.identity_value OFFSET 0) AS c) AS w
 GROUP BY w.tenant_id, w.device_id
), identity AS MATERIALIZED (
SELECT d.tenant_id, i.identity_type, i.identity_value, range_agg(d.days) AS days
  FROM wanted d
 CROSS JOIN LATERAL (SELECT DISTINCT c.identity_type, c.identity_value FROM billing.identity_claim_events c
                      WHERE c.tenant_id = d.tenant_id AND c.device_id = d.device_id AND c.event_type IN ('disputed', 'resolved') OFFSET 0) AS i
 GROUP BY d.tenant_id, i.identity_type, i.identity_value
), claim_event AS MATERIALIZED (
SELECT c.* FROM identity i
 CROSS JOIN LATERAL (SELECT * FROM billing.identity_claim_events c
                      WHERE c.tenant_id = i.tenant_id AND c.identity_type = i.identity_type AND c.identity_value = i.identity_value OFFSET 0) AS c
 WHERE (SELECT snapshot FROM edge) IS NULL OR pg_visible_in_snapshot(c.log_xid, (SELECT snapshot FROM edge))
), everyone AS MATERIALIZED ( -- and that on what those are on these days
SELECT e.tenant_id, e.device_id, range_agg(e.days) AS days
  FROM (SELECT * FROM wanted
        UNION ALL
        SELECT DISTINCT i.tenant_id, c.device_id, i.days
          FROM identity i JOIN claim_event c ON c.tenant_id = i.tenant_id AND c.identity_type = i.identity_type AND c.identity_value = i.identity_value) AS e
 GROUP BY e.tenant_id, e.device_id
), span AS MATERIALIZED (
SELECT e.tenant_id, e.device_id, lower(r.days) AS starts, upper(r.days) AS ends FROM everyone e CROSS JOIN LATERAL unnest(e.days) AS r (days)
), event AS MATERIALIZED ( -- what is said of them
SELECT d.tenant_id, d.device_id, l.entry_id AS recorded, l.event_type, NULL AS account_id, l.plan, l.effective_from AS starts, coalesce(l.effective_to, 'infinity') AS ends
  FROM everyone d
 CROSS JOIN LATERAL (SELECT * FROM billing.device_coverage_ledger l WHERE l.tenant_id = d.tenant_id AND l.device_id = d.device_id @fence@) AS l
 WHERE (SELECT snapshot FROM edge) IS NULL OR pg_visible_in_snapshot(l.log_xid, (SELECT snapshot FROM edge))
UNION ALL
SELECT d.tenant_id, d.device_id, l.enrollment_id, 'enroll', l.account_id, l.plan, l.enrolled_from, coalesce(l.enrolled_to, 'infinity')
  FROM everyone d
 CROSS JOIN LATERAL (SELECT * FROM billing.enrollments l WHERE l.tenant_id = d.tenant_id AND l.device_id = d.device_id @fence@) AS l
 WHERE (SELECT snapshot FROM edge) IS NULL OR pg_visible_in_snapshot(l.log_xid, (SELECT snapshot FROM edge))
), boundary AS (
SELECT tenant_id, device_id, starts AS span_starts, ends AS span_ends, starts AS day FROM span
UNION
SELECT s.tenant_id, s.device_id, s.starts, s.ends, b.day
  FROM span s
  JOIN event e ON e.tenant_id = s.tenant_id AND e.device_id = s.device_id
 CROSS JOIN LATERAL (VALUES (e.starts), (e.ends)) AS b (day)
 WHERE b.day > s.starts AND b.day < s.ends
), segment AS ( -- days between which nothing changes
SELECT tenant_id, device_id, day AS starts, lead(day, 1, span_ends) OVER (PARTITION BY tenant_id, device_id, span_starts ORDER BY day) AS ends FROM boundary
), said AS ( -- of the events in effect the latest recorded: whether, by what plan, in which account
SELECT g.tenant_id, g.device_id, g.starts, g.ends,
       (array_agg(e.event_type ORDER BY e.recorded DESC) FILTER (WHERE e.event_type IN ('cover', 'uncover')))[1] AS coverage,
       (array_agg(e.plan ORDER BY e.recorded DESC) FILTER (WHERE e.plan IS NOT NULL AND e.event_type <> 'enroll'))[1] AS plan,
       (array_agg(e.account_id ORDER BY e.recorded DESC) FILTER (WHERE e.event_type = 'enroll'))[1] AS account_id,
       (array_agg(e.plan ORDER BY e.recorded DESC) FILTER (WHERE e.event_type = 'enroll'))[1] AS enrolled_plan
  FROM segment g
  JOIN event e ON e.tenant_id = g.tenant_id AND e.device_id = g.device_id AND e.starts <= g.starts AND e.ends > g.starts
 GROUP BY g.tenant_id, g.device_id, g.starts, g.ends
), base AS MATERIALIZED (
SELECT tenant_id, device_id, starts, ends, account_id, coalesce(coverage = 'cover', false) AS is_covered, coalesce(plan, enrolled_plan) AS plan
  FROM said WHERE account_id IS NOT NULL
), claim_span AS ( -- how a claim stands over the days: what was recorded later hides what was before, from its first day on
SELECT c.*, coalesce(min(effective_from) FILTER (WHERE event_type IN ('disputed', 'resolved'))
                     OVER (PARTITION BY tenant_id, identity_type, identity_value, device_id ORDER BY sequence DESC
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 'infinity') AS ends,
       min(effective_from) FILTER (WHERE event_type = 'claimed') OVER claim AS claimed_on, min(sequence) OVER claim AS claim_no
  FROM claim_event c
WINDOW claim AS (PARTITION BY tenant_id, identity_type, identity_value, device_id)
), standing AS MATERIALIZED (
SELECT * FROM claim_span WHERE event_type IN ('disputed', 'resolved') AND effective_from < ends
), member AS MATERIALIZED ( -- days covered that have to do with such a claim
SELECT b.tenant_id, b.device_id, d.day::date AS day, b.account_id, s.identity_type, s.identity_value, s.event_type, s.resolution, s.winner_id, s.former_id,
       s.moved_on, s.claimed_on, s.claim_no
  FROM base b
  JOIN standing s ON s.tenant_id = b.tenant_id AND s.device_id = b.device_id AND s.effective_from < b.ends AND s.ends > b.starts
 CROSS JOIN LATERAL generate_series(greatest(b.starts, s.effective_from)::timestamp, (least(b.ends, s.ends) - 1)::timestamp, interval '1 day') AS d (day)
 WHERE b.is_covered
), policy AS MATERIALIZED (
SELECT m.*, coalesce((SELECT p.dispute_policy FROM billing.coverage_policies p
                       WHERE p.tenant_id = m.tenant_id AND p.account_id IN ('', m.account_id) AND p.valid_from <= m.day
                         AND ((SELECT snapshot FROM edge) IS NULL OR pg_visible_in_snapshot(p.log_xid, (SELECT snapshot FROM edge)))
                       ORDER BY p.account_id = '', p.valid_from DESC LIMIT 1), 'bill_once') AS dispute_policy
  FROM (SELECT DISTINCT tenant_id, account_id, day FROM member WHERE event_type = 'disputed') AS m
), ranked AS ( -- the first of those that claim it: after a merge the winner, else who claimed it first
SELECT m.*, p.dispute_policy,
       row_number() OVER (PARTITION BY m.tenant_id, m.identity_type, m.identity_value, m.day, coalesce(m.resolution, p.dispute_policy)
                          ORDER BY m.device_id IS NOT DISTINCT FROM m.winner_id DESC, m.claimed_on, m.claim_no) AS place
  FROM member m
  LEFT JOIN policy p ON m.event_type = 'disputed' AND p.tenant_id = m.tenant_id AND p.account_id = m.account_id AND p.day = m.day
), verdict AS ( -- a device is counted when each of its claims lets it
SELECT tenant_id, device_id, day, bool_or(event_type = 'disputed') AS is_disputed,
       bool_and(CASE coalesce(resolution, dispute_policy) WHEN 'hold' THEN false WHEN 'split' THEN true
                     WHEN 'transfer' THEN device_id = CASE WHEN day >= moved_on THEN winner_id ELSE former_id END
                     ELSE place = 1 END) AS is_counted
  FROM ranked GROUP BY tenant_id, device_id, day
), piece AS MATERIALIZED (
SELECT b.tenant_id, b.device_id, b.account_id, b.is_covered, b.plan, lower(r.days) AS starts, upper(r.days) AS ends
  FROM base b
  JOIN wanted w ON w.tenant_id = b.tenant_id AND w.device_id = b.device_id
 CROSS JOIN LATERAL unnest(w.days * datemultirange(daterange(b.starts, b.ends))) AS r (days)
), derived AS (
SELECT d.tenant_id, d.device_id, d.coverage_day, d.account_id, CASE WHEN NOT d.is_covered THEN 'uncovered' WHEN v.is_disputed THEN 'disputed' ELSE 'covered' END AS coverage_state,
       d.plan, d.is_covered AND coalesce(v.is_counted, true) AS is_counted
  FROM (SELECT p.*, p.starts + k.n AS coverage_day FROM piece p CROSS JOIN LATERAL generate_series(0, p.ends - p.starts - 1) AS k (n)) AS d
  LEFT JOIN verdict v ON v.tenant_id = d.tenant_id AND v.device_id = d.device_id AND v.day = d.coverage_day
)
