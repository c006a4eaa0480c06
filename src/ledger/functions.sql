-- Posting by hand, reversal and balances.

CREATE FUNCTION billing.post_entry(tenant text, entry_type text, amount_minor bigint, currency text, account text DEFAULT 'main',
                                   memo text DEFAULT NULL, posted_on date DEFAULT NULL, idempotency_key text DEFAULT NULL) RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'billing_post_entry';
COMMENT ON FUNCTION billing.post_entry(text, text, bigint, text, text, text, date, text) IS
'Posts one entry by hand (a payment, a credit, an adjustment) and returns its id. entry_type: one of billing.entry_types where by_hand; it decides the two ledger accounts. amount_minor: positive, in minor units of currency. posted_on: accounting date, a UTC day, today unless given. idempotency_key: the same call again with the same key returns the first entry. Errors: MB400 amount not positive or an argument null, MB409 key used for another posting, MB417 an infinite day, MB424 month without partition, MB425, MB426, MB440 account, MB442 currency, MB451 entry type.';

CREATE FUNCTION billing.reverse_entry(tenant text, entry uuid, reason text, posted_on date DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    original    record;
    reversal_id uuid := billing.derive_id('reversal', tenant, entry::text);
    day         date := coalesce(reverse_entry.posted_on, (now() AT TIME ZONE 'UTC')::date);
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.refuse_card('tenant', tenant), billing.refuse_card('reason', reason);
    IF coalesce(reason, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB400', MESSAGE = 'reversing an entry needs a reason';
    END IF;
    SELECT * INTO original FROM billing.ledger_entries e WHERE e.tenant_id = tenant AND e.entry_id = entry;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'MB450', MESSAGE = format('tenant "%s" has no ledger entry %s', tenant, coalesce(entry::text, 'null'));
    END IF;
    IF original.source <> 'hand' THEN
        RAISE EXCEPTION USING ERRCODE = 'MB421',
            MESSAGE = format('entry %s comes from %s and cannot be reversed by hand', entry,
                             CASE original.source WHEN 'rated_line' THEN 'rating' WHEN 'invoice' THEN 'an invoice' ELSE 'a reversal' END),
            HINT = 'Correct usage with a correcting event, an invoice with billing.void_invoice(); a reversal is undone by posting anew.';
    END IF;
    PERFORM billing.lock_account(tenant, original.account_id);
    IF EXISTS (SELECT FROM billing.ledger_entries e WHERE e.tenant_id = tenant AND e.source_id = entry AND e.source = 'reversal') THEN
        RETURN reversal_id;
    END IF;
    PERFORM billing.require_partition('ledger_entries', day);
    -- As in post.c: an entry that was acknowledged survives a crash.
    PERFORM set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
    INSERT INTO billing.ledger_entries (posted_on, tenant_id, entry_id, account_id, entry_type, debit_account, credit_account,
                                        amount_minor, currency, source, source_id, memo)
    VALUES (day, tenant, reversal_id, original.account_id, original.entry_type,
            original.credit_account, original.debit_account, original.amount_minor, original.currency, 'reversal', entry, reason);
    RETURN reversal_id;
END
$$;
COMMENT ON FUNCTION billing.reverse_entry(text, uuid, text, date) IS
'Undoes an entry posted by hand: posts the same amount between the same accounts the other way round, naming the original, and returns the new id. Again: returns the same id and posts nothing. posted_on: accounting date, a UTC day, today unless given. Errors: MB400 no reason, MB417 an infinite day, MB421 the entry was not posted by hand, MB424 month without partition, MB425, MB450 no such entry.';

CREATE FUNCTION billing.balance(tenant text, currency text, ledger_account text DEFAULT 'receivable', account text DEFAULT 'main') RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM billing.require_installed();
    PERFORM billing.require_tenant(tenant, false);
    RETURN (SELECT coalesce(sum(CASE WHEN e.debit_account = balance.ledger_account THEN e.amount_minor ELSE -e.amount_minor END), 0)::bigint
                   * CASE (SELECT a.normal_side FROM billing.ledger_accounts a WHERE a.ledger_account = balance.ledger_account)
                     WHEN 'debit' THEN 1 WHEN 'credit' THEN -1 END
              FROM billing.ledger_entries e
             WHERE e.tenant_id = tenant AND e.account_id = account AND e.currency = balance.currency
               AND balance.ledger_account IN (e.debit_account, e.credit_account));
END
$$;
COMMENT ON FUNCTION billing.balance(text, text, text, text) IS
'Balance of one ledger account of a tenant account in one currency, in minor units, positive on its normal side: receivable is what the customer owes on finalized invoices. NULL for an unknown ledger account. Errors: MB425.';
