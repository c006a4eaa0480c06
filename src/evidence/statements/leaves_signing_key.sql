-- Leaves of kind signing_key.
SELECT t.log_xid, t.key_no,
       billing.leaf_canon('signing_key', t.key_no, t.vkey, t.public_key, t.previous_note, t.registered_at) AS canon
  FROM ONLY billing.signing_keys t
