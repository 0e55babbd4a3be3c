//! How much may be asked: requests by key and by org, attempts with keys that are none by address, an org's runs at
//! once. All of it is in memory and begins anew with the process.

pub(crate) mod address;
mod limiter;
mod places;
mod runs;
mod told;

pub(crate) use runs::UnderWay;
pub(crate) use told::Told;

use super::peer::Peer;
use crate::config::{Config, RateSection};
use crate::problem::{Kind, Problem};
use address::Network;
use axum::http::Extensions;
use governor::Quota;
use governor::clock::{Clock, DefaultClock};
use limiter::Limiter;
use runs::Runs;
use std::num::NonZeroU32;
use std::time::Duration;
use told::Standing;
use tollgate_store::{KeyId, KnownKey, OrgId};

/// The limits, and how much of each is used. A limit that is not configured is `None`.
pub(crate) struct Rates<C: Clock = DefaultClock> {
    key: Option<Limiter<KeyId, C>>,
    org: Option<Limiter<OrgId, C>>,
    address: Option<Limiter<Network, C>>,
    runs: Option<Runs>,
}

/// What requests found: every limit that holds for them, and whether one of those is passed.
struct Asked {
    standings: Vec<Standing>,
    /// What to do about it.
    passed: Option<&'static str>,
}

impl Rates {
    pub(crate) fn new(config: &Config) -> Self {
        Self::with_clock(&config.rate, config.org_runs(), &DefaultClock::default())
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn with_clock(rate: &RateSection, org_runs: u32, clock: &C) -> Self {
        let per_s = |requests, burst| {
            let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
            NonZeroU32::new(requests).map(|rate| Quota::per_second(rate).allow_burst(burst))
        };
        let key = per_s(rate.key_per_s, rate.key_burst);
        let org = per_s(rate.org_per_s, rate.org_burst);
        let failed = NonZeroU32::new(rate.failed_per_minute).map(Quota::per_minute);
        Self {
            key: key.map(|quota| Limiter::new("key", quota, clock.clone())),
            org: org.map(|quota| Limiter::new("org", quota, clock.clone())),
            address: failed.map(|quota| Limiter::new("address", quota, clock.clone())),
            runs: NonZeroU32::new(org_runs).map(Runs::new),
        }
    }
}

impl<C: Clock> Rates<C> {
    /// Step 2: counts a request whose caller is known, once however often it is asked of the same request. What is
    /// left is told with the answer.
    pub(crate) fn request(&self, key: &KnownKey, extensions: &Extensions) -> Result<(), Problem> {
        let told = extensions.get::<Told>();
        if told.is_some_and(Told::is_counted) {
            return Ok(());
        }
        let asked = self.ask(key.key, key.owner.org);
        answered(asked, told)
    }

    /// What is answered to a key that is none: `invalid`, until its address has tried too many.
    pub(crate) fn failed(&self, invalid: Problem, extensions: &Extensions) -> Problem {
        let Some(address) = &self.address else {
            return invalid;
        };
        let network = Network::of(extensions.get().map(|Peer(address)| *address));
        match address.take(network) {
            Ok(_) => invalid,
            Err(standing) => {
                let asked = Asked {
                    standings: vec![standing],
                    passed: Some(HINT_ADDRESS),
                };
                answered(asked, extensions.get()).err().unwrap_or(invalid)
            }
        }
    }

    /// Step 2, for a run whose answer is waited for: one of its org's, until the guard is dropped. Async runs wait for
    /// their turn elsewhere.
    pub(crate) fn run(
        &self,
        org: OrgId,
        is_awaited: bool,
        extensions: &Extensions,
    ) -> Result<Option<UnderWay>, Problem> {
        let (Some(runs), true) = (&self.runs, is_awaited) else {
            return Ok(None);
        };
        let told = extensions.get::<Told>();
        match runs.begin(org) {
            Ok((under_way, standing)) => {
                if let Some(told) = told {
                    told.add([standing]);
                }
                Ok(Some(under_way))
            }
            Err(standing) => {
                let asked = Asked {
                    standings: vec![standing],
                    passed: Some(HINT_RUNS),
                };
                answered(asked, told).map(|()| None)
            }
        }
    }

    /// Forgets keys, orgs and addresses that are as if they had never asked.
    pub(crate) fn forget(&self) {
        if let Some(key) = &self.key {
            key.forget();
        }
        if let Some(org) = &self.org {
            org.forget();
        }
        if let Some(address) = &self.address {
            address.forget();
        }
    }

    /// A request that its key may not send takes nothing of its org's.
    fn ask(&self, key: KeyId, org: OrgId) -> Asked {
        let of_key = self.key.as_ref().map(|limiter| limiter.take(key));
        let is_passed = matches!(of_key, Some(Err(_)));
        let of_org = self.org.as_ref().map(|limiter| match is_passed {
            true => Ok(limiter.look(org)),
            false => limiter.take(org),
        });
        let passed = match (&of_key, &of_org) {
            (Some(Err(_)), _) => Some(HINT_KEY),
            (_, Some(Err(_))) => Some(HINT_ORG),
            _ => None,
        };
        let standing = |it: Result<Standing, Standing>| it.unwrap_or_else(|it| it);
        Asked {
            standings: of_key.into_iter().chain(of_org).map(standing).collect(),
            passed,
        }
    }
}

const HINT_KEY: &str = "This key sends more than it may: `RateLimit-Policy` says how much that is; send the request again after `retry_after_s` seconds.";
const HINT_ORG: &str = "Your org's keys together send more than they may: `RateLimit-Policy` says how much that is; send the request again after `retry_after_s` seconds.";
const HINT_ADDRESS: &str = "Too many requests from your address had a key that is none; one with a good key is answered at once, from there, too.";
const HINT_RUNS: &str = "Your org has as many runs under way as it may: send the request again when one has ended, or with `Prefer: respond-async`, which queues it.";

/// Tells what was found with the answer, and refuses where a limit is passed: until no limit is used up.
fn answered(asked: Asked, told: Option<&Told>) -> Result<(), Problem> {
    let refusal = asked.passed.map(|hint| {
        let used_up = asked.standings.iter().filter(|it| it.left == 0);
        let wait = used_up.map(Standing::more_in_s).max().unwrap_or(1);
        let problem = Problem::of(Kind::RateLimited).with_hint(hint);
        problem.retry_after(Duration::from_secs(wait))
    });
    if let Some(told) = told {
        told.add(asked.standings);
    }
    refusal.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
