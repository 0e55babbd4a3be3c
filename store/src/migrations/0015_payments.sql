-- What runs and subscriptions cost: a row for each, of which orgs' statements have their lines, which sum to zero by what
-- they are. Rows of `entries` are credits, and the lines of payments that were made before this step.
CREATE TABLE payments (
    -- Of each its own: the ids of its lines are made of it.
    at INTEGER PRIMARY KEY,
    run_id BLOB,
    subscription_id BLOB,
    buyer_id BLOB NOT NULL,
    seller_id BLOB NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens > 0),
    -- Of what the seller earns, the platform's.
    platform_id BLOB,
    fee INTEGER NOT NULL CHECK (fee BETWEEN 0 AND tokens),
    CHECK ((run_id IS NULL) <> (subscription_id IS NULL)),
    CHECK ((platform_id IS NULL) = (fee = 0))
) STRICT;
-- Nothing is paid for twice.
CREATE UNIQUE INDEX payments_of_run ON payments (run_id) WHERE run_id IS NOT NULL;
CREATE UNIQUE INDEX payments_of_subscription ON payments (subscription_id) WHERE subscription_id IS NOT NULL;
-- Each in the order of their times.
CREATE INDEX payments_of_buyer ON payments (buyer_id);
CREATE INDEX payments_of_seller ON payments (seller_id);
CREATE INDEX payments_of_platform ON payments (platform_id) WHERE platform_id IS NOT NULL;
