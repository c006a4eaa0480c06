-- Leaves of kind incarnation.
SELECT t.log_xid, t.incarnation,
       billing.leaf_canon('incarnation', t.incarnation, t.system_identifier, t.xid_offset, t.adopted_at, t.reason) AS canon
  FROM ONLY billing.incarnations t
