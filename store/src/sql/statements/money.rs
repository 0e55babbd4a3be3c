//! Wallets, payments, budgets and subscriptions.

use crate::sql::statement::{Statement, both, differ, statements};

statements! { MONEY:
    // Money.
    POSTED = both("SELECT org_id, posted FROM wallets");
    HELD = differ(
        "SELECT org_id, SUM(price) AS held FROM runs INDEXED BY runs_queued WHERE status = 'QUEUED' GROUP BY org_id",
        "SELECT org_id, SUM(price) AS held FROM runs WHERE status = 'QUEUED' GROUP BY org_id",
    );
    ORG_POSTED = both("SELECT COALESCE(w.posted, 0) FROM orgs o
    LEFT JOIN wallets w ON w.org_id = o.org_id WHERE o.org_id = ?1");
    GIVE_TOKENS = both("INSERT INTO wallets (posted, org_id) VALUES (?1, ?2)
    ON CONFLICT (org_id) DO UPDATE SET posted = wallets.posted + excluded.posted");
    /// A row that is made anew is checked before it is found to be there: what takes is no such row.
    TAKE_TOKENS = both("UPDATE wallets SET posted = posted + ?1 WHERE org_id = ?2");
    /// Ten-thousandths of a token that fees of an org's earnings were rounded down by.
    FEE_REST = both("SELECT fee_rest FROM wallets WHERE org_id = ?1");
    SET_FEE_REST = both("INSERT INTO wallets (posted, org_id, fee_rest) VALUES (0, ?1, ?2)
    ON CONFLICT (org_id) DO UPDATE SET fee_rest = excluded.fee_rest");
    LAST_PAYMENT = both("SELECT MAX(place) FROM payments");
    INSERT_PAYMENT = both("INSERT INTO payments
        (place, at, run_id, subscription_id, reason, request_sha256, buyer_id, seller_id, tokens, platform_id, fee)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    PAYMENT_BY_REQUEST = both("SELECT *, seller_id AS org_id FROM payments WHERE request_sha256 = ?1");
    PAYMENTS_OF_BUYER = both("SELECT * FROM payments WHERE buyer_id = ?1 AND place <= ?2 ORDER BY place DESC LIMIT ?3");
    PAYMENTS_OF_SELLER = both("SELECT * FROM payments WHERE seller_id = ?1 AND place <= ?2 ORDER BY place DESC LIMIT ?3");
    PAYMENTS_OF_PLATFORM = both("SELECT * FROM payments WHERE platform_id = ?1 AND place <= ?2 ORDER BY place DESC LIMIT ?3");
    AUDIT_COUNTS = both("SELECT (SELECT COUNT(*) FROM wallets) AS wallets,
    (SELECT 2 * COUNT(*) + 2 * COUNT(platform_id) FROM payments) AS entries");
    /// Nobody's side of credits is no wallet. In halves: what went through a wallet may be more than one number can be.
    AUDIT_WALLETS = differ(
        "SELECT o.org_id, COALESCE(w.posted, 0) AS posted, COALESCE((SUM(e.high) << 32) + SUM(e.low), 0) AS sum
    FROM orgs o
    LEFT JOIN wallets w ON w.org_id = o.org_id
    LEFT JOIN (
        SELECT buyer_id AS org_id, SUM(-tokens >> 32) AS high, SUM(-tokens & 4294967295) AS low
            FROM payments GROUP BY buyer_id
        UNION ALL SELECT seller_id, SUM((tokens - fee) >> 32), SUM((tokens - fee) & 4294967295) FROM payments
            GROUP BY seller_id
        UNION ALL SELECT platform_id, SUM(fee >> 32), SUM(fee & 4294967295) FROM payments
            WHERE platform_id IS NOT NULL GROUP BY platform_id
    ) AS e ON e.org_id = o.org_id
    GROUP BY o.org_id, w.posted HAVING COALESCE(w.posted, 0) <> COALESCE((SUM(e.high) << 32) + SUM(e.low), 0)",
        "SELECT o.org_id, COALESCE(w.posted, 0) AS posted, COALESCE(SUM(e.tokens), 0) AS sum
    FROM orgs o
    LEFT JOIN wallets w ON w.org_id = o.org_id
    LEFT JOIN (
        SELECT buyer_id AS org_id, SUM(-tokens) AS tokens FROM payments GROUP BY buyer_id
        UNION ALL SELECT seller_id, SUM(tokens - fee) FROM payments GROUP BY seller_id
        UNION ALL SELECT platform_id, SUM(fee) FROM payments WHERE platform_id IS NOT NULL GROUP BY platform_id
    ) AS e ON e.org_id = o.org_id
    GROUP BY o.org_id, w.posted HAVING COALESCE(w.posted, 0) <> COALESCE(SUM(e.tokens), 0)",
    );
    /// Payments outlive the records of runs.
    AUDIT_CHARGES = both("SELECT r.run_id, r.charged, COALESCE(p.tokens, 0) AS tokens
    FROM runs r
    LEFT JOIN payments p ON p.run_id = r.run_id AND p.buyer_id = r.org_id
    WHERE r.charged <> COALESCE(p.tokens, 0)");
    AUDIT_PAID_RUNS = both("SELECT r.run_id, r.status FROM runs r
    JOIN payments p ON p.run_id = r.run_id AND p.buyer_id = r.org_id
    WHERE r.status <> 'SUCCEEDED'");

    // Budgets.
    BUDGETS_OF_PROJECT = both("SELECT org_id, project_id, key_id, period, budget_id, cap, created_at FROM budgets
    WHERE org_id = ?1 AND project_id = ?2");
    SET_BUDGET = both("INSERT INTO budgets (org_id, project_id, key_id, period, budget_id, cap, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (org_id, project_id, key_id, period) DO UPDATE SET cap = excluded.cap
    RETURNING org_id, project_id, key_id, period, budget_id, cap, created_at");
    REMOVE_BUDGET = both("DELETE FROM budgets
    WHERE org_id = ?1 AND project_id = ?2 AND key_id = ?3 AND period = ?4
    RETURNING org_id, project_id, key_id, period, budget_id, cap, created_at");
    /// By runs and by subscriptions, of what outlives their records.
    SPENT = both("SELECT
        (SELECT COALESCE(SUM(charged), 0) FROM spent_days
        WHERE org_id = ?1 AND project_id = ?2 AND (key_id = ?3 OR ?3 IS NULL) AND day >= ?4)
        + (SELECT COALESCE(SUM(price), 0) FROM subscriptions
        WHERE org_id = ?1 AND project_id = ?2 AND (key_id = ?3 OR ?3 IS NULL) AND created_at >= ?4)");
    /// Tokens that a project spent since `?3`, by key and time.
    SPENT_OF_PROJECT = both("SELECT key_id, day AS at, charged AS tokens FROM spent_days
    WHERE org_id = ?1 AND project_id = ?2 AND day >= ?3
    UNION ALL SELECT key_id, created_at, price FROM subscriptions
    WHERE org_id = ?1 AND project_id = ?2 AND created_at >= ?3 AND price > 0");
    /// Tokens held for a project's runs, by key and time. It uses the partial indexes, because ended runs are many.
    HELD_OF_PROJECT = differ(
        "SELECT key_id, created_at AS at, price AS tokens FROM runs INDEXED BY runs_queued
    WHERE status = 'QUEUED' AND org_id = ?1 AND project_id = ?2 AND price > 0
    UNION ALL SELECT key_id, created_at, price FROM runs INDEXED BY runs_running
    WHERE status = 'RUNNING' AND org_id = ?1 AND project_id = ?2 AND price > 0",
        "SELECT key_id, created_at AS at, price AS tokens FROM runs
    WHERE status = 'QUEUED' AND org_id = ?1 AND project_id = ?2 AND price > 0
    UNION ALL SELECT key_id, created_at, price FROM runs
    WHERE status = 'RUNNING' AND org_id = ?1 AND project_id = ?2 AND price > 0",
    );

    // Subscriptions.
    INSERT_SUBSCRIPTION = both("INSERT INTO subscriptions
        (org_id, project_id, subscription_id, artifact_id, release_id, price, key_id, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (artifact_id, org_id, project_id) WHERE ended_at IS NULL DO NOTHING");
    SUBSCRIPTION_TO = both("SELECT subscription_id, artifact_id, release_id, created_at, ended_at FROM subscriptions
    WHERE artifact_id = ?1 AND org_id = ?2 AND project_id = ?3 AND ended_at IS NULL");
    SUBSCRIPTION = both("SELECT subscription_id, artifact_id, release_id, created_at, ended_at FROM subscriptions
    WHERE org_id = ?1 AND project_id = ?2 AND subscription_id = ?3");
    SUBSCRIPTIONS = both("SELECT subscription_id, artifact_id, release_id, created_at, ended_at FROM subscriptions
    WHERE org_id = ?1 AND project_id = ?2 AND subscription_id < ?3
    ORDER BY subscription_id DESC LIMIT ?4");
    END_SUBSCRIPTION = both("UPDATE subscriptions SET ended_at = ?4
    WHERE org_id = ?1 AND project_id = ?2 AND subscription_id = ?3 AND ended_at IS NULL
    RETURNING artifact_id");
    ACCEPT_TERMS = both("UPDATE subscriptions SET release_id = ?4
    WHERE org_id = ?1 AND project_id = ?2 AND subscription_id = ?3 AND ended_at IS NULL
    RETURNING artifact_id");
}
