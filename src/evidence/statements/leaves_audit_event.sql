-- Leaves of kind audit_event. All of it is told by a hash, and with the row's random id: it names people.
SELECT t.log_xid, t.audit_id,
       billing.leaf_canon('audit_event', t.audit_id, t.at,
                          billing.fingerprint(t.audit_id::text, t.session_role, t.acting_role, t.token_subject, t.subject_tenant, t.action, t.call,
                                              t.object_type, t.object_key::text, t.before::text, t.after::text, t.application_name,
                                              host(t.client_address))) AS canon
  FROM ONLY billing.audit_log t
