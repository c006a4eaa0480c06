-- Whose session it is, tokens, and the check that functions with the owner's rights begin with.

CREATE FUNCTION billing.current_tenant() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_current_tenant';
COMMENT ON FUNCTION billing.current_tenant() IS 'The tenant this session belongs to: of the token in the setting billing.token, or without one of the login''s row in billing.tenant_roles; NULL when neither says, and then row security shows no rows. Row security asks it once for a statement. Errors: MB401 the token is malformed, of an unknown key, wrongly signed, or expired by the clock; MB470 the key file.';

CREATE FUNCTION billing.current_token_subject() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_current_token_subject';
COMMENT ON FUNCTION billing.current_token_subject() IS 'Who the token says is asking (its claim sub), or NULL. Errors: MB401, MB470.';

CREATE FUNCTION billing.require_tenant(tenant text, for_change boolean) RETURNS void
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_require_tenant_sql';
COMMENT ON FUNCTION billing.require_tenant(text, boolean) IS 'Internal: what a function with the owner''s rights begins with when it takes a tenant. Nothing for staff: superusers and members of billing_owner, billing_admin, billing_operator, billing_auditor and billing_loader. Anybody else must be a session of that tenant, and for_change one that may change things. Looks nothing up, so that another tenant and none are the same. Errors: MB400 null; MB401; MB403 the session may only read; MB440 another tenant, or the session has none; MB470.';

CREATE FUNCTION billing.caller_is_bound() RETURNS boolean
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'billing_caller_is_bound_sql';
COMMENT ON FUNCTION billing.caller_is_bound() IS 'Internal: whether the caller is one tenant''s or nobody''s session, and not staff.';

CREATE FUNCTION billing.issue_token(tenant text, role text DEFAULT 'app', valid_for interval DEFAULT '300 seconds', subject text DEFAULT NULL,
                                    key_id text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'billing_issue_token';
COMMENT ON FUNCTION billing.issue_token(text, text, interval, text, text) IS 'A token for this database, to be put into the setting billing.token: whoever has it is that tenant until it expires. The tenant need not exist. role: app may call what changes something, tenant reads. valid_for: 1 to 300 whole seconds. subject: who, for the audit log. key_id: of a key in the file that billing.token_key_file names, the first unless given. Errors: MB400 malformed, or the key only verifies; MB470 the key file.';

CREATE FUNCTION billing.grant_tenant_role(role_name text, tenant text, role text DEFAULT 'tenant', comment text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.check_text('tenant', tenant);
    PERFORM billing.refuse_card('role name', role_name), billing.refuse_card('role', role), billing.refuse_card('comment', comment);
    IF role IS NULL OR role NOT IN ('app', 'tenant') THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" is no role of a tenant''s session', role),
            DETAIL = 'It is app, which may change things, or tenant, which reads.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('there is no database role "%s"', role_name);
    END IF;
    INSERT INTO billing.tenant_roles (role_name, tenant, role, comment) VALUES (role_name, tenant, role, comment) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT jsonb_build_object('tenant', t.tenant, 'role', t.role, 'comment', t.comment) INTO existing
          FROM billing.tenant_roles t WHERE t.role_name = grant_tenant_role.role_name;
        PERFORM billing.check_same('tenant of role', role_name, existing, jsonb_build_object('tenant', tenant, 'role', role, 'comment', comment));
    END IF;
END
$$;
COMMENT ON FUNCTION billing.grant_tenant_role(text, text, text, text) IS 'Lets every session of a login stand for a tenant without a token. role_name: the login, which also has to be a member of billing_app or billing_tenant. role: app may call what changes something, tenant reads. comment: for people. Again with the same content: nothing to do. Errors: MB400 malformed or no such database role, MB409 the login stands for something else, MB425.';

CREATE FUNCTION billing.revoke_tenant_role(role_name text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.require_installed();
    DELETE FROM billing.tenant_roles t WHERE t.role_name = revoke_tenant_role.role_name;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION billing.revoke_tenant_role(text) IS 'Takes that back; from the next statement on, sessions of the login have no tenant. False when it had none. Errors: MB425.';
