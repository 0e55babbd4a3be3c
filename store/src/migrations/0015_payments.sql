-- What runs and subscriptions cost and what the operator gives: a row for each, of which orgs' statements have their
-- lines, which sum to zero by what they are. Rows of `entries` are the lines of what was before this step.
CREATE TABLE payments (
    -- Its time, or the microsecond after the payment before it: the ids of its lines are made of it, so that they sort as
    -- payments were made.
    place INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    run_id BLOB,
    subscription_id BLOB,
    -- Of a credit.
    reason TEXT,
    -- Of the request that asked for a credit, where it can be sent again.
    request_sha256 BLOB,
    -- 16 zero bytes where it is a credit.
    buyer_id BLOB NOT NULL,
    seller_id BLOB NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens > 0),
    -- Of what the seller earns, the platform's.
    platform_id BLOB,
    fee INTEGER NOT NULL CHECK (fee BETWEEN 0 AND tokens),
    CHECK ((run_id IS NOT NULL) + (subscription_id IS NOT NULL) + (reason IS NOT NULL) = 1),
    CHECK ((reason IS NOT NULL) = (buyer_id = zeroblob(16))),
    CHECK (request_sha256 IS NULL OR reason IS NOT NULL),
    CHECK ((platform_id IS NULL) = (fee = 0))
) STRICT;
-- Nothing is paid for twice.
CREATE UNIQUE INDEX payments_of_run ON payments (run_id) WHERE run_id IS NOT NULL;
CREATE UNIQUE INDEX payments_of_subscription ON payments (subscription_id) WHERE subscription_id IS NOT NULL;
CREATE UNIQUE INDEX payments_by_request ON payments (request_sha256) WHERE request_sha256 IS NOT NULL;
-- Each in the order of places.
CREATE INDEX payments_of_buyer ON payments (buyer_id);
CREATE INDEX payments_of_seller ON payments (seller_id);
CREATE INDEX payments_of_platform ON payments (platform_id) WHERE platform_id IS NOT NULL;
