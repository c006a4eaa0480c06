-- Who administered what: one trigger for the tables that calls administer, one function for calls that leave no trace there.

CREATE FUNCTION billing.audit_change() RETURNS trigger
LANGUAGE C SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET bytea_output = hex SET intervalstyle = postgres
AS 'MODULE_PATHNAME', 'billing_audit_change';
COMMENT ON FUNCTION billing.audit_change() IS 'Internal: trigger that writes a row of billing.audit_log for each row made, changed or removed. A change that changes nothing leaves none.';

CREATE FUNCTION billing.audit_call(object_type text, object_key jsonb, tenant text DEFAULT NULL, outcome jsonb DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_audit_call';
COMMENT ON FUNCTION billing.audit_call(text, jsonb, text, jsonb) IS 'Internal: writes a row of billing.audit_log for a call that changes no audited table. object_type: what it was about. object_key: which. outcome: what it did.';

CREATE FUNCTION billing.make_audited(relation text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON billing.%I FOR EACH ROW EXECUTE FUNCTION billing.audit_change(%L)', relation, relation);
    EXECUTE format('ALTER TABLE billing.%I ENABLE ALWAYS TRIGGER audit_change', relation);
END
$$;
COMMENT ON FUNCTION billing.make_audited(text) IS 'Internal: from now on every change of a table of schema billing is written to billing.audit_log. The table has a primary key.';
