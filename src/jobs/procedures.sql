-- A procedure for each job, as one would call it by hand.

CREATE PROCEDURE billing.job_partitions(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('partitions', now);
END
$$;
COMMENT ON PROCEDURE billing.job_partitions(timestamptz) IS 'Makes partitions ahead, and removes records of old runs: billing.run_job(''partitions''). Errors: as there.';

CREATE PROCEDURE billing.job_renewals(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('renewals', now);
END
$$;
COMMENT ON PROCEDURE billing.job_renewals(timestamptz) IS 'Renews subscriptions, or raises their notice: billing.run_job(''renewals''). Errors: as there.';

CREATE PROCEDURE billing.job_count_sync(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('count_sync', now);
END
$$;
COMMENT ON PROCEDURE billing.job_count_sync(timestamptz) IS 'Accrues allocations, syncs coverage, and counts usage: billing.run_job(''count_sync''). Errors: as there.';

CREATE PROCEDURE billing.job_rating(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('rating', now);
END
$$;
COMMENT ON PROCEDURE billing.job_rating(timestamptz) IS 'Counts and rates usage, and posts the differences: billing.run_job(''rating''). Errors: as there.';

CREATE PROCEDURE billing.job_invoice_run(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('invoice_run', now);
END
$$;
COMMENT ON PROCEDURE billing.job_invoice_run(timestamptz) IS 'Bills what is due, and finalizes invoices after their days of grace: billing.run_job(''invoice_run''). Errors: as there.';

CREATE PROCEDURE billing.job_sealing(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('sealing', now);
END
$$;
COMMENT ON PROCEDURE billing.job_sealing(timestamptz) IS 'Seals the log of evidence and closes balances: billing.run_job(''sealing''). Errors: as there.';

CREATE PROCEDURE billing.job_escalation(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('escalation', now);
END
$$;
COMMENT ON PROCEDURE billing.job_escalation(timestamptz) IS 'Escalates disputes of identity past their time: billing.run_job(''escalation''). Errors: as there.';

CREATE PROCEDURE billing.job_verification(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('verification', now);
END
$$;
COMMENT ON PROCEDURE billing.job_verification(timestamptz) IS 'Replays counts and coverage, checks integrity, and verifies the log: billing.run_job(''verification''). Errors: as there.';

CREATE PROCEDURE billing.job_retention(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('retention', now);
END
$$;
COMMENT ON PROCEDURE billing.job_retention(timestamptz) IS 'Drops what is kept no longer: billing.run_job(''retention''). Errors: as there.';

CREATE PROCEDURE billing.job_personal_data(now timestamptz DEFAULT now())
LANGUAGE plpgsql AS $$
BEGIN
    CALL billing.run_job('personal_data', now);
END
$$;
COMMENT ON PROCEDURE billing.job_personal_data(timestamptz) IS 'Destroys keys of personal data whose time has passed: billing.run_job(''personal_data''). Errors: as there.';
