-- Leaves of kind schema: fingerprints.
SELECT t.log_xid, t.fingerprint_no,
       billing.leaf_canon('schema', t.fingerprint_no, t.fingerprint, t.reason, t.recorded_at) AS canon
  FROM ONLY billing.schema_fingerprints t
