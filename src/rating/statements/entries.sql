-- The ledger entries of new_lines: the difference, in the direction of its sign.
SELECT n.rated_on AS posted_on, n.tenant_id, billing.derive_id_from('entry', n.rated_line_id) AS entry_id, n.account_id,
       CASE WHEN c.in_advance THEN 'advance' WHEN c.meter_id IS NULL THEN 'fee' ELSE 'usage' END
       || CASE WHEN n.posted_minor < 0 THEN '_correction' ELSE '' END AS entry_type,
       abs(n.posted_minor) AS amount_minor, n.currency, 'rated_line' AS source, n.rated_line_id AS source_id, NULL::text AS memo
  FROM new_lines n
  JOIN billing.charges c USING (plan_id, version, charge_id)
 WHERE n.posted_minor <> 0
