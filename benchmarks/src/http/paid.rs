//! Our server with everything on: keys, rate limits that are never reached, subscriptions, a price, a fee.

use super::Call;
use super::client::Client;
use super::past::Past;
use super::server::{Server, good, run};
use crate::guests;
use anyhow::Context;
use hyper::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const VARIABLES: [(&str, &str); 6] = [
    ("TOLLGATE_RATE__KEY_PER_S", "1000000"),
    ("TOLLGATE_RATE__KEY_BURST", "1000000"),
    ("TOLLGATE_RATE__ORG_PER_S", "1000000"),
    ("TOLLGATE_RATE__ORG_BURST", "1000000"),
    ("TOLLGATE_RATE__ORG_RUNS", "1000"),
    ("TOLLGATE_FEE_BASIS_POINTS", "1000"),
];
const MANIFEST: &str = "name = \"no-op\"\nversion = \"1.0.0\"\nprice = 10\n";
/// Tokens of each buyer: nobody runs out.
const TOKENS: u64 = 1_000_000_000_000;
/// Buyers that are made at once.
const AT_ONCE: usize = 64;

pub(crate) struct Paid {
    server: Server,
    artifact: String,
}

impl Paid {
    /// `None` where the program was not built beside this one.
    pub(crate) fn start() -> anyhow::Result<Option<Self>> {
        let Some(server) = Server::start(&VARIABLES)? else {
            return Ok(None);
        };
        let (_, seller) = server.org("seller")?;
        let packed = tollgate_validator::pack::pack(&guests::no_op()?, MANIFEST, None);
        let packed = packed.map_err(|violation| anyhow::anyhow!("{violation:?}"))?;
        let artifact = server.publish(&seller, "", packed)?;
        Ok(Some(Self { server, artifact }))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.process.address
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.server.process.child.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Starts it again with a past. A run must have been paid for.
    pub(crate) fn restart_with(&mut self, past: Past) -> anyhow::Result<()> {
        self.server.restart_with(past)
    }

    /// Starts it again: how long until it is ready.
    pub(crate) fn restart(&mut self) -> anyhow::Result<Duration> {
        self.server.restart()
    }

    /// A run's call of each of so many new buyers, each with a wallet of its own.
    pub(crate) fn buyers(&self, count: usize) -> anyhow::Result<Vec<Call>> {
        let (address, left) = (self.address(), Arc::new(AtomicUsize::new(count)));
        super::one_thread()?.block_on(async {
            let mut makers = JoinSet::new();
            for _ in 0..AT_ONCE.min(count) {
                let (operator, artifact) = (self.server.operator.clone(), self.artifact.clone());
                let left = Arc::clone(&left);
                makers.spawn(async move {
                    let mut client = Client::connect(address).await?;
                    let mut made = Vec::new();
                    let take = |left: usize| left.checked_sub(1);
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                        .is_ok()
                    {
                        made.push(buyer(&mut client, &operator, &artifact).await?);
                    }
                    anyhow::Ok(made)
                });
            }
            let mut calls = Vec::new();
            while let Some(made) = makers.join_next().await {
                calls.extend(made??);
            }
            Ok(calls)
        })
    }
}

/// A new org that has tokens and a subscription.
async fn buyer(client: &mut Client, operator: &str, artifact: &str) -> anyhow::Result<Call> {
    let post = |path: &str, key: &str, body: Value| {
        let call = Call::new(Method::POST, path).with_key(key);
        call.with_json(&body)
    };
    let org = good(
        client,
        &post("/v1/orgs", operator, json!({"name": "buyer"})),
    )
    .await?;
    let (id, key) = (&org["id"], org["key"].as_str().context("a key")?);
    let credit = json!({"org_id": id, "tokens": TOKENS, "reason": "benchmark"});
    good(client, &post("/v1/wallet/credits", operator, credit)).await?;
    let terms = json!({"artifact_id": artifact});
    good(client, &post("/v1/subscriptions", key, terms)).await?;
    Ok(run(artifact, key, json!({"value": 7})))
}
