-- Leaves of kind checkpoint: the checkpoints before, which makes them a chain.
SELECT t.log_xid, t.seal_no,
       billing.leaf_canon('checkpoint', t.seal_no, t.incarnation, t.snapshot::text, t.tree_size, t.root_hash, sha256(convert_to(t.body, 'UTF8')),
                          t.lsn::text, t.sealed_at) AS canon
  FROM ONLY billing.checkpoints t
