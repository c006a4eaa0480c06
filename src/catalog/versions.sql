-- A plan's versions: draft -> published -> retired, and the guards that keep published terms as they are.

CREATE FUNCTION billing.lock_plan(plan text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.refuse_card('plan', plan);
    PERFORM FROM billing.plans p WHERE p.plan_id = plan FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB443', MESSAGE = format('unknown plan "%s"', plan);
    END IF;
END
$$;
COMMENT ON FUNCTION billing.lock_plan(text) IS 'Internal: locks a plan''s row, which every change of its versions and charges begins with. Errors: MB443.';

CREATE FUNCTION billing.lock_version(plan text, INOUT version integer, OUT status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.lock_plan(plan);
    version := coalesce(lock_version.version, (SELECT max(n.version) FROM billing.plan_versions n WHERE n.plan_id = plan));
    SELECT v.status INTO lock_version.status FROM billing.plan_versions v
     WHERE v.plan_id = plan AND v.version = lock_version.version FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB443', MESSAGE = format('plan "%s" has no version %s', plan, lock_version.version);
    END IF;
END
$$;
COMMENT ON FUNCTION billing.lock_version(text, integer) IS 'Internal: locks a plan and one version of it, the newest when null, and returns the version and its status. Errors: MB443.';

CREATE FUNCTION billing.lock_draft(plan text, version integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    draft record;
BEGIN
    SELECT * INTO draft FROM billing.lock_version(plan, lock_draft.version);
    IF draft.status <> 'draft' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB420', MESSAGE = format('version %s of plan "%s" is %s and does not change', draft.version, plan, draft.status),
            HINT = format('SELECT billing.draft_plan(%L) opens the next version; subscriptions stay on theirs until they are moved.', plan);
    END IF;
    RETURN draft.version;
END
$$;
COMMENT ON FUNCTION billing.lock_draft(text, integer) IS 'Internal: locks the version to be written, the newest when null, and returns its number. Errors: MB420 not a draft, MB443.';

CREATE FUNCTION billing.draft_plan(plan text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest billing.plan_versions;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.lock_plan(plan);
    SELECT * INTO newest FROM billing.plan_versions v WHERE v.plan_id = plan ORDER BY v.version DESC LIMIT 1;
    IF newest.status = 'draft' THEN
        RETURN newest.version;
    END IF;
    INSERT INTO billing.plan_versions (plan_id, version, status, currency, period_months)
    VALUES (plan, newest.version + 1, 'draft', newest.currency, newest.period_months);
    INSERT INTO billing.charges (plan_id, version, charge_id, name, meter_id, filter, price, price_hash, in_advance, prorate, position)
    SELECT c.plan_id, newest.version + 1, c.charge_id, c.name, c.meter_id, c.filter, c.price, c.price_hash, c.in_advance, c.prorate, c.position
      FROM billing.charges c WHERE c.plan_id = plan AND c.version = newest.version;
    RETURN newest.version + 1;
END
$$;
COMMENT ON FUNCTION billing.draft_plan(text) IS
'Opens the next version of a plan as a draft with the newest version''s charges, and returns its number. When a draft is open already: returns that one. Errors: MB425, MB443 unknown plan.';

CREATE FUNCTION billing.plan_document(plan text, version integer) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('currency', v.currency, 'period_months', v.period_months, 'charges',
           (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.charge_id, 'name', c.name, 'meter', c.meter_id, 'filter', c.filter,
                                                         'price', c.price, 'in_advance', c.in_advance, 'prorate', c.prorate)
                                      ORDER BY c.position), '[]')
              FROM billing.charges c WHERE c.plan_id = v.plan_id AND c.version = v.version))
      FROM billing.plan_versions v
     WHERE v.plan_id = plan_document.plan AND v.version = plan_document.version
$$;
COMMENT ON FUNCTION billing.plan_document(text, integer) IS
'The whole terms of a plan version as one document: currency, period_months, and charges by position with id, name, meter, filter, price, in_advance and prorate. plan_hash is the SHA-256 of its RFC 8785 form. NULL when there is no such version, or none that the caller may read.';

CREATE FUNCTION billing.publish_plan(INOUT plan text, OUT version integer, OUT hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest billing.plan_versions;
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.lock_plan(plan);
    SELECT * INTO newest FROM billing.plan_versions v WHERE v.plan_id = publish_plan.plan ORDER BY v.version DESC LIMIT 1 FOR UPDATE;
    IF newest.status = 'retired' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('plan "%s" has no draft to publish', plan),
            DETAIL = format('Its newest version %s is retired.', newest.version), HINT = format('SELECT billing.draft_plan(%L) opens the next version.', plan);
    END IF;
    IF newest.status = 'draft' THEN
        IF NOT EXISTS (SELECT FROM billing.charges c WHERE c.plan_id = publish_plan.plan AND c.version = newest.version) THEN
            RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('version %s of plan "%s" has no charge', newest.version, plan),
                HINT = 'Add what it charges for with billing.add_charge().';
        END IF;
        UPDATE billing.plan_versions v
           SET status = 'published', published_at = now(), log_xid = billing.log_xid(), plan_hash = billing.json_hash(billing.plan_document(v.plan_id, v.version))
         WHERE v.plan_id = publish_plan.plan AND v.version = newest.version
        RETURNING v.* INTO newest;
    END IF;
    version := newest.version;
    hash := encode(newest.plan_hash, 'hex');
END
$$;
COMMENT ON FUNCTION billing.publish_plan(text) IS
'Publishes the draft of a plan: from now on it may be sold and never changes. Returns plan, version and hash, the SHA-256 of billing.plan_document() in hexadecimal. When there is no draft: returns the newest published version. Errors: MB421 no charge, or nothing but a retired version; MB425, MB443 unknown plan.';

CREATE FUNCTION billing.retire_plan(plan text, version integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    status_before text;
BEGIN
    PERFORM billing.require_installed();
    IF retire_plan.version IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = format('which version of plan "%s" to retire is null', plan);
    END IF;
    SELECT l.status INTO status_before FROM billing.lock_version(plan, retire_plan.version) AS l;
    IF status_before = 'draft' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB421', MESSAGE = format('version %s of plan "%s" is a draft and cannot be retired', retire_plan.version, plan);
    END IF;
    UPDATE billing.plan_versions v SET status = 'retired', retired_at = now()
     WHERE v.plan_id = plan AND v.version = retire_plan.version AND v.status = 'published';
    RETURN retire_plan.version;
END
$$;
COMMENT ON FUNCTION billing.retire_plan(text, integer) IS
'Takes a published version off the market and returns its number: it keeps its subscribers and takes no new ones. Again: nothing to do. Errors: MB400 null version, MB421 a draft, MB425, MB443 unknown plan or version.';

CREATE FUNCTION billing.guard_plan_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.status = 'draft' THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' AND OLD.status = 'draft' THEN
        RETURN OLD;
    ELSIF TG_OP = 'UPDATE' AND (NEW.plan_id, NEW.version) = (OLD.plan_id, OLD.version) THEN
        IF OLD.status = 'draft' AND NEW.status IN ('draft', 'published') THEN
            RETURN NEW;
        ELSIF OLD.status = 'published' AND NEW.status = 'retired'
              AND to_jsonb(NEW) - '{status,retired_at}'::text[] = to_jsonb(OLD) - '{status,retired_at}'::text[] THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'MB420',
        MESSAGE = format('%s of version %s of plan "%s" is refused', TG_OP, coalesce(OLD.version, NEW.version), coalesce(OLD.plan_id, NEW.plan_id)),
        DETAIL = 'A version begins as a draft, is published, then retired; published terms never change.';
END
$$;
COMMENT ON FUNCTION billing.guard_plan_version() IS 'Internal: trigger that lets a plan version only go draft -> published -> retired, changing nothing else once published. Errors: MB420.';

CREATE FUNCTION billing.guard_charge() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed record;
BEGIN
    -- FOR SHARE waits for a publication that is under way, and makes one that comes wait for this change.
    FOR closed IN
        SELECT v.plan_id, v.version, v.status FROM billing.plan_versions v
         WHERE (v.plan_id, v.version) IN ((OLD.plan_id, OLD.version), (NEW.plan_id, NEW.version))
           FOR SHARE
    LOOP
        IF closed.status <> 'draft' THEN
            RAISE EXCEPTION USING ERRCODE = 'MB420',
                MESSAGE = format('%s of charge "%s" is refused: version %s of plan "%s" is %s', TG_OP,
                                 coalesce(OLD.charge_id, NEW.charge_id), closed.version, closed.plan_id, closed.status),
                HINT = format('SELECT billing.draft_plan(%L) opens the next version.', closed.plan_id);
        END IF;
    END LOOP;
    RETURN coalesce(NEW, OLD);
END
$$;
COMMENT ON FUNCTION billing.guard_charge() IS 'Internal: trigger that refuses INSERT, UPDATE and DELETE of charges of a version that is not a draft. Errors: MB420.';
