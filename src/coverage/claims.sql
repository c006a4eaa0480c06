-- Who claims to be whom, and what is billed while that is in dispute.

CREATE FUNCTION billing.claim_event_hash(tenant_id text, sequence bigint, event_type text, identity_type text, identity_value text, device_id uuid, from_status text,
                                         to_status text, effective_from date, resolution text, winner_id uuid, former_id uuid, moved_on date, actor text, reason text,
                                         occurred_at timestamptz, salt uuid) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT billing.fingerprint('claim_event', tenant_id, sequence::pg_catalog.text, event_type, identity_type, identity_value, device_id::pg_catalog.text, from_status, to_status,
                           (effective_from OPERATOR(pg_catalog.-) '1970-01-01'::pg_catalog.date)::pg_catalog.text, resolution, winner_id::pg_catalog.text,
                           former_id::pg_catalog.text, (moved_on OPERATOR(pg_catalog.-) '1970-01-01'::pg_catalog.date)::pg_catalog.text, actor, reason,
                           EXTRACT(epoch FROM occurred_at)::pg_catalog.text, salt::pg_catalog.text)
$$;
COMMENT ON FUNCTION billing.claim_event_hash(text, bigint, text, text, text, uuid, text, text, date, text, uuid, uuid, date, text, text, timestamptz, uuid) IS 'Internal: hash of the contents of a row of identity_claim_events, what its self_hash covers beside prev_hash: billing.fingerprint() of claim_event and every other column but log_xid, days as days since 1970-01-01, occurred_at as seconds since 1970-01-01 UTC with 6 decimals.';

CREATE FUNCTION billing.chain_step(state bytea, start bytea, content bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT pg_catalog.sha256(coalesce(state, start) OPERATOR(pg_catalog.||) content)
$$;
COMMENT ON FUNCTION billing.chain_step(bytea, bytea, bytea) IS 'Internal: adds a link to billing.chain_hash().';

CREATE AGGREGATE billing.chain_hash(start bytea, content bytea) (SFUNC = billing.chain_step, STYPE = bytea);
COMMENT ON AGGREGATE billing.chain_hash(bytea, bytea) IS 'Internal: the hash of the last link of a chain: SHA-256 of the link before (start for the first) and content. Over a window, in the order of the chain.';

CREATE FUNCTION billing.claim_identity(tenant text, device text, identity_type text, identity_value text, claimed_on date DEFAULT NULL, actor text DEFAULT NULL, reason text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_claim_identity';
COMMENT ON FUNCTION billing.claim_identity(text, text, text, text, date, text, text) IS 'Says that a device has an identity from a UTC day on (NULL is today), and returns how the claim stands: clean, disputed when another device claims it too, then that one is as well, or resolved. Claiming again changes nothing. identity_type, identity_value: 1 to 200 characters each. actor: NULL is the session''s user. Errors: MB400; MB409 claimed from another day on; MB417 day; MB425; MB426; MB480 device.';

CREATE FUNCTION billing.claim_identities(claims jsonb) RETURNS integer
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
AS 'MODULE_PATHNAME', 'billing_claim_identities';
COMMENT ON FUNCTION billing.claim_identities(jsonb) IS 'Makes up to 100,000 claims, all or none, and returns how many are new. claims: an array of objects with tenant, device, identity_type, identity_value and, where wanted, claimed_on, actor and reason, as for a single one; all are strings. Errors: as billing.claim_identity(), naming the first offending element by its index from 0; MB400 for a field that is missing, unknown or no string.';

CREATE FUNCTION billing.resolve_claim(tenant text, identity_type text, identity_value text, "by" text, winner text DEFAULT NULL, moved_on date DEFAULT NULL,
                                      actor text DEFAULT NULL, reason text DEFAULT NULL) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS 'MODULE_PATHNAME', 'billing_resolve_claim';
COMMENT ON FUNCTION billing.resolve_claim(text, text, text, text, text, date, text, text) IS 'Decides a dispute about an identity, for all its days. True when it was open, false when it was resolved just so before. by: merge (they are one device, known as winner: one is counted a day), split (they are several and share the identity: each is counted), or transfer (it went to winner on the UTC day moved_on, NULL is today: before, the earliest other claimant is counted, from then on the winner). winner: key of a device that claims it. actor and reason: who decided, and why; both must be given. Errors: MB400; MB417 day; MB421 not in dispute; MB425; MB426; MB481 nobody claims it, or not the winner.';

CREATE FUNCTION billing.escalate_disputes(now timestamptz DEFAULT now()) RETURNS integer
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_escalate_disputes';
COMMENT ON FUNCTION billing.escalate_disputes(timestamptz) IS 'Marks the claims of all tenants whose dispute is past its SLA, each once, with an event, and returns how many; billing.coverage_disputes shows them. now: the time it is. Errors: MB425; MB426.';

CREATE FUNCTION billing.set_coverage_policy(tenant text, dispute_policy text DEFAULT 'bill_once', dispute_sla_hours integer DEFAULT 72, account text DEFAULT NULL,
                                            valid_from date DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    since    date := coalesce(set_coverage_policy.valid_from, (now() AT TIME ZONE 'UTC')::date);
    existing jsonb;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('tenant', tenant), billing.refuse_card('account', account), billing.refuse_card('dispute_policy', dispute_policy);
    PERFORM billing.check_day('day of the policy', since);
    IF NOT EXISTS (SELECT FROM billing.accounts a WHERE a.tenant_id = tenant AND a.account_id = coalesce(account, a.account_id)) THEN
        RAISE EXCEPTION USING ERRCODE = 'MB440', MESSAGE = CASE WHEN account IS NULL THEN format('unknown tenant "%s"', tenant)
                                                                ELSE format('unknown account "%s" of tenant "%s"', account, tenant) END;
    END IF;
    IF dispute_policy IS NULL OR dispute_policy NOT IN ('bill_once', 'hold') THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('"%s" is no policy for disputes', dispute_policy), HINT = 'Policies are bill_once and hold.';
    END IF;
    IF dispute_sla_hours IS NULL OR dispute_sla_hours NOT BETWEEN 1 AND 87600 THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('%s hours are not between 1 and 87600', coalesce(dispute_sla_hours::text, 'null'));
    END IF;
    INSERT INTO billing.coverage_policies (tenant_id, account_id, valid_from, dispute_policy, dispute_sla_hours)
    VALUES (tenant, coalesce(account, ''), since, set_coverage_policy.dispute_policy, set_coverage_policy.dispute_sla_hours)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN true;
    END IF;
    SELECT jsonb_build_object('dispute_policy', p.dispute_policy, 'dispute_sla_hours', p.dispute_sla_hours) INTO existing
      FROM billing.coverage_policies p WHERE p.tenant_id = tenant AND p.account_id = coalesce(account, '') AND p.valid_from = since;
    PERFORM billing.check_same('coverage policy', format('%s/%s from %s', tenant, account, to_char(since, 'YYYY-MM-DD')), existing,
                               jsonb_build_object('dispute_policy', dispute_policy, 'dispute_sla_hours', dispute_sla_hours));
    RETURN false;
END
$$;
COMMENT ON FUNCTION billing.set_coverage_policy(text, text, integer, text, date) IS 'Says what is billed of a tenant''s devices in dispute from a UTC day on (NULL is today), and within how many hours a dispute should be resolved. account: NULL is every account without a policy of its own. dispute_policy: bill_once or hold. True when it is new. A day''s policy does not change; the next begins on another day. Errors: MB400; MB409 the day has another; MB417 day; MB425; MB426; MB440 tenant or account.';
