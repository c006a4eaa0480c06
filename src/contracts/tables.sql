-- On what terms: a subscription is a sequence of phases, each on one plan version. A change is a new phase.
-- Boundaries are UTC days and half open: [starts, ends).

CREATE TABLE billing.subscriptions (
    tenant_id       text        COLLATE "C" NOT NULL,
    subscription_id uuid        NOT NULL,
    account_id      text        COLLATE "C" NOT NULL,
    currency        text        COLLATE "C" NOT NULL REFERENCES billing.currencies ON DELETE RESTRICT,
    anchor          date        NOT NULL,
    period_months   integer     NOT NULL CHECK (period_months BETWEEN 1 AND 120),
    starts          date        NOT NULL,
    ends            date,
    trial_ends      date,
    renewal         text        COLLATE "C" NOT NULL DEFAULT 'none' CHECK (renewal IN ('none', 'automatic', 'manual')),
    renewal_months  integer     CHECK (renewal_months BETWEEN 1 AND 120),
    renewal_anchor  date,
    notice_days     integer     CHECK (notice_days BETWEEN 0 AND 3660),
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subscription_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES billing.accounts ON DELETE RESTRICT,
    CHECK (ends >= starts),
    CHECK (trial_ends > starts),
    CHECK (anchor <= starts),
    CHECK (renewal = 'none' AND num_nulls(renewal_months, renewal_anchor, notice_days) = 3
           OR renewal <> 'none' AND num_nulls(renewal_months, renewal_anchor, notice_days, ends) = 0)
);
CREATE INDEX ON billing.subscriptions (tenant_id, account_id);
CREATE INDEX subscriptions_renewal ON billing.subscriptions ((ends - notice_days)) WHERE renewal <> 'none';
COMMENT ON TABLE  billing.subscriptions IS 'An account''s agreement to pay by a plan. Its terms over time are in subscription_phases; billing.subscription_status() says how it stands on a day.';
COMMENT ON COLUMN billing.subscriptions.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.subscriptions.subscription_id IS 'UUIDv7.';
COMMENT ON COLUMN billing.subscriptions.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.subscriptions.currency IS 'Currency of all its plans.';
COMMENT ON COLUMN billing.subscriptions.anchor IS 'UTC day its periods are counted from: period n is [anchor + n periods, anchor + n + 1 periods), clamped to month ends. The first of the month for calendar billing, the start for anniversary billing.';
COMMENT ON COLUMN billing.subscriptions.period_months IS 'Months of one period.';
COMMENT ON COLUMN billing.subscriptions.starts IS 'First UTC day covered.';
COMMENT ON COLUMN billing.subscriptions.ends IS 'First UTC day no longer covered; NULL is open. Equal to starts when it was cancelled before it began.';
COMMENT ON COLUMN billing.subscriptions.trial_ends IS 'First UTC day after the trial that began at starts; NULL is no trial. Kept when the subscription is cancelled before, so that resuming it gives the whole trial back.';
COMMENT ON COLUMN billing.subscriptions.renewal IS 'What happens at ends: none (it ends, or is open), automatic (billing.renew_subscriptions() moves ends by a term), manual (it ends unless billing.renew_subscription() is called; a notice is raised before).';
COMMENT ON COLUMN billing.subscriptions.renewal_months IS 'Months of a term; NULL when it does not renew.';
COMMENT ON COLUMN billing.subscriptions.renewal_anchor IS 'UTC day that terms are counted from, as periods are from anchor, so that a term that began on the 29th to 31st keeps its day; NULL when it does not renew.';
COMMENT ON COLUMN billing.subscriptions.notice_days IS 'Days before ends at which it is renewed, or the notice raised; NULL when it does not renew.';
COMMENT ON COLUMN billing.subscriptions.created_at IS 'When it was created.';

CREATE TABLE billing.subscription_phases (
    tenant_id       text        COLLATE "C" NOT NULL,
    subscription_id uuid        NOT NULL,
    starts          date        NOT NULL,
    ends            date,
    plan_id         text        COLLATE "C" NOT NULL,
    version         integer     NOT NULL,
    is_trial        boolean     NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subscription_id, starts),
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES billing.subscriptions ON DELETE RESTRICT,
    FOREIGN KEY (plan_id, version) REFERENCES billing.plan_versions ON DELETE RESTRICT,
    CHECK (ends > starts)
);
COMMENT ON TABLE  billing.subscription_phases IS 'The terms of a subscription over time: phases follow one another without gap or overlap.';
COMMENT ON COLUMN billing.subscription_phases.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.subscription_phases.subscription_id IS 'The subscription.';
COMMENT ON COLUMN billing.subscription_phases.starts IS 'First UTC day of the phase.';
COMMENT ON COLUMN billing.subscription_phases.ends IS 'First UTC day after it; NULL is open.';
COMMENT ON COLUMN billing.subscription_phases.plan_id IS 'The plan.';
COMMENT ON COLUMN billing.subscription_phases.version IS 'Its version, fixed for the phase.';
COMMENT ON COLUMN billing.subscription_phases.is_trial IS 'A trial phase is metered and not charged.';
COMMENT ON COLUMN billing.subscription_phases.created_at IS 'When it was agreed.';

CREATE TABLE billing.renewal_events (
    tenant_id       text        COLLATE "C" NOT NULL,
    subscription_id uuid        NOT NULL,
    sequence        integer     NOT NULL CHECK (sequence > 0),
    event           text        COLLATE "C" NOT NULL CHECK (event IN ('renewed', 'notice', 'refused')),
    term_ends       date        NOT NULL,
    next_ends       date        CHECK (next_ends > term_ends),
    reason          text,
    today           date        NOT NULL,
    occurred_at     timestamptz NOT NULL DEFAULT now(),
    log_xid         xid8        NOT NULL DEFAULT billing.log_xid(),
    PRIMARY KEY (tenant_id, subscription_id, sequence),
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES billing.subscriptions ON DELETE RESTRICT,
    CHECK ((event = 'renewed') = (next_ends IS NOT NULL)),
    CHECK ((event = 'refused') = (reason IS NOT NULL))
);
COMMENT ON TABLE  billing.renewal_events IS 'What happened at the end of each term of a subscription that renews.';
COMMENT ON COLUMN billing.renewal_events.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.renewal_events.subscription_id IS 'The subscription.';
COMMENT ON COLUMN billing.renewal_events.sequence IS 'Counts the subscription''s events from 1.';
COMMENT ON COLUMN billing.renewal_events.event IS 'renewed: the term from term_ends to next_ends was agreed. notice: a manual renewal is to be decided before term_ends. refused: an automatic renewal could not be made, see reason.';
COMMENT ON COLUMN billing.renewal_events.term_ends IS 'First UTC day after the term that was ending.';
COMMENT ON COLUMN billing.renewal_events.next_ends IS 'First UTC day after the next term, when renewed.';
COMMENT ON COLUMN billing.renewal_events.reason IS 'Why a renewal was refused.';
COMMENT ON COLUMN billing.renewal_events.today IS 'The UTC day it was decided on, as given to the call.';
COMMENT ON COLUMN billing.renewal_events.occurred_at IS 'Start of the transaction that wrote it.';
COMMENT ON COLUMN billing.renewal_events.log_xid IS 'Transaction that wrote it, offset added.';
SELECT billing.make_append_only('renewal_events');
INSERT INTO billing.stage_locks VALUES ('renewals');
SELECT billing.make_audited(t) FROM unnest('{subscriptions,subscription_phases}'::text[]) AS t;

CREATE VIEW billing.current_subscriptions WITH (security_invoker = true) AS
SELECT s.tenant_id, s.account_id, s.subscription_id, p.plan_id, p.version, billing.status_on(s.starts, CASE WHEN s.renewal <> 'automatic' THEN s.ends END, s.trial_ends, d.today) AS status,
       s.currency, c.cycle_start AS period_start, c.cycle_end AS period_end, s.starts, s.ends, s.trial_ends
  FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS d
 CROSS JOIN billing.subscriptions s
 CROSS JOIN LATERAL billing.cycle_containing(s.anchor, s.period_months, greatest(s.starts, d.today)) AS c
  JOIN billing.subscription_phases p
    ON p.tenant_id = s.tenant_id AND p.subscription_id = s.subscription_id
   AND p.starts <= greatest(s.starts, d.today) AND (p.ends IS NULL OR p.ends > greatest(s.starts, d.today))
 WHERE s.ends IS NULL OR s.ends > d.today;
COMMENT ON VIEW   billing.current_subscriptions IS 'Subscriptions that have not ended, as they stand on the current UTC day; one that is still to begin, as it will stand on its first.';
COMMENT ON COLUMN billing.current_subscriptions.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN billing.current_subscriptions.account_id IS 'The account that pays.';
COMMENT ON COLUMN billing.current_subscriptions.subscription_id IS 'Its id.';
COMMENT ON COLUMN billing.current_subscriptions.plan_id IS 'The plan in force.';
COMMENT ON COLUMN billing.current_subscriptions.version IS 'The plan''s version in force.';
COMMENT ON COLUMN billing.current_subscriptions.status IS 'pending, trialing, active or cancelled; see billing.subscription_status().';
COMMENT ON COLUMN billing.current_subscriptions.currency IS 'Currency it is billed in.';
COMMENT ON COLUMN billing.current_subscriptions.period_start IS 'First UTC day of the billing period.';
COMMENT ON COLUMN billing.current_subscriptions.period_end IS 'First UTC day after it.';
COMMENT ON COLUMN billing.current_subscriptions.starts IS 'First UTC day covered.';
COMMENT ON COLUMN billing.current_subscriptions.ends IS 'First UTC day no longer covered; NULL is open.';
COMMENT ON COLUMN billing.current_subscriptions.trial_ends IS 'First UTC day after the trial; NULL is no trial.';
