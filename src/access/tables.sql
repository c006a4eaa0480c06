-- Whose sessions they are that bring no token.

CREATE TABLE billing.tenant_roles (
    role_name  text        COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(role_name) BETWEEN 1 AND 63),
    tenant     text        COLLATE "C" NOT NULL CHECK (length(tenant) BETWEEN 1 AND 200),
    role       text        COLLATE "C" NOT NULL CHECK (role IN ('app', 'tenant')),
    comment    text,
    granted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  billing.tenant_roles IS 'Database roles that stand for one tenant: a session of such a login needs no token. By billing.grant_tenant_role() and billing.revoke_tenant_role().';
COMMENT ON COLUMN billing.tenant_roles.role_name IS 'The login, session_user; one that is dropped and made anew has the row again.';
COMMENT ON COLUMN billing.tenant_roles.tenant IS 'The tenant it stands for. Not named tenant_id, for it is the staff''s table and no tenant''s: a login stands for one tenant, so its name alone is the key.';
COMMENT ON COLUMN billing.tenant_roles.role IS 'app: may call what changes something; tenant: reads.';
COMMENT ON COLUMN billing.tenant_roles.comment IS 'For people.';
COMMENT ON COLUMN billing.tenant_roles.granted_at IS 'When the row was made.';

SELECT billing.refuse_cards_in('tenant_roles', 'role_name', 'tenant', 'comment');
