-- Leaves of kind erasure: what of whom was erased, and nothing that was erased.
SELECT t.log_xid, t.tenant_id, t.erasure_id,
       billing.leaf_canon('erasure', t.tenant_id, t.erasure_id, t.account_id, t.cause, t.reason_hash, to_jsonb(t.fields_destroyed),
                          to_jsonb(t.fields_restricted), t.purge_after, t.erased_on, t.erased_at) AS canon
  FROM ONLY billing.erasures t
