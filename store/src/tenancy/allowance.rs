//! The limits of sessions and their use, counted in memory beside wallets and budgets. A run counts from the moment its
//! price is held. If it does not start, it is taken back.

use crate::id::SessionId;
use crate::time::Time;
use std::collections::HashMap;

/// The limits of one session, and its use of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Tokens that it may spend.
    pub(crate) cap: u64,
    /// Tokens that were charged.
    pub(crate) spent: u64,
    /// Tokens that are held.
    pub(crate) held: u64,
    /// Runs that it may start.
    pub(crate) runs_max: u64,
    /// Runs that have started and ended.
    pub(crate) runs_ended: u64,
    /// Runs that are queued or under way.
    pub(crate) runs_held: u64,
    pub(crate) expires_at: Time,
}

impl Allowance {
    /// The allowance of a new session.
    pub(crate) fn new(cap: u64, runs_max: u64, expires_at: Time) -> Self {
        Self {
            cap,
            spent: 0,
            held: 0,
            runs_max,
            runs_ended: 0,
            runs_held: 0,
            expires_at,
        }
    }

    /// Runs that were started and not taken back.
    pub(crate) fn runs_used(&self) -> u64 {
        self.runs_ended.saturating_add(self.runs_held)
    }

    /// Tokens that are charged or held.
    pub(crate) fn tokens_used(&self) -> u64 {
        self.spent.saturating_add(self.held)
    }

    fn has_room(&self, tokens: u64) -> bool {
        self.runs_used() < self.runs_max && self.tokens_used().saturating_add(tokens) <= self.cap
    }
}

/// Those of the sessions that were asked about since the start and go on.
#[derive(Debug, Default)]
pub(crate) struct Allowances(HashMap<SessionId, Allowance>);

impl Allowances {
    pub(crate) fn set(&mut self, session: SessionId, allowance: Allowance) {
        self.0.insert(session, allowance);
    }

    /// Takes what a session did as the database has it, unless it is here already.
    pub(crate) fn learn(&mut self, session: SessionId, allowance: Allowance) {
        self.0.entry(session).or_insert(allowance);
    }

    pub(crate) fn knows(&self, session: SessionId) -> bool {
        self.0.contains_key(&session)
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<Allowance> {
        self.0.get(&session).copied()
    }

    /// True if there is room for one more run at that price. An unknown session has none.
    pub(crate) fn has_room(&self, session: SessionId, tokens: u64) -> bool {
        self.0.get(&session).is_some_and(|it| it.has_room(tokens))
    }

    /// Takes the room for a run.
    pub(crate) fn hold(&mut self, session: SessionId, tokens: u64) {
        if let Some(allowance) = self.0.get_mut(&session) {
            allowance.held += tokens;
            allowance.runs_held += 1;
        }
    }

    /// Gives the room for a run back. Where it started it counts on, with the tokens that were `charged`.
    pub(crate) fn release(&mut self, session: SessionId, tokens: u64, charged: Option<u64>) {
        let Some(allowance) = self.0.get_mut(&session) else {
            return;
        };
        allowance.held = allowance.held.saturating_sub(tokens);
        allowance.runs_held = allowance.runs_held.saturating_sub(1);
        if let Some(charged) = charged {
            allowance.spent = allowance.spent.saturating_add(charged);
            allowance.runs_ended = allowance.runs_ended.saturating_add(1);
        }
    }

    /// Drops those whose session is past its time and has nothing under way.
    pub(crate) fn forget_expired(&mut self, now: Time) {
        self.0
            .retain(|_, it| it.expires_at > now || it.runs_held > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn of(cap: u64, runs_max: u64) -> (Allowances, SessionId) {
        let (mut all, session) = (Allowances::default(), SessionId::new());
        let expires_at = Time::now().after(Duration::from_secs(60));
        all.set(session, Allowance::new(cap, runs_max, expires_at));
        (all, session)
    }

    fn used(all: &Allowances, session: SessionId) -> (u64, u64) {
        let allowance = all.get(session).expect("known");
        (allowance.tokens_used(), allowance.runs_used())
    }

    #[test]
    fn runs_count_from_the_hold_on_and_come_back_where_nothing_started() {
        let (mut all, session) = of(100, 2);
        all.hold(session, 0);
        assert!(all.has_room(session, 0), "the second of two");
        all.hold(session, 0);
        assert!(!all.has_room(session, 0), "a third");
        all.release(session, 0, None);
        assert!(all.has_room(session, 0), "one was taken back");
        all.hold(session, 0);
        all.release(session, 0, Some(0));
        assert!(!all.has_room(session, 0), "one that failed counts");
        assert_eq!(used(&all, session), (0, 2));
    }

    #[test]
    fn a_price_fits_up_to_the_cap_and_no_further() {
        let (mut all, session) = of(10, 100);
        assert!(all.has_room(session, 10) && !all.has_room(session, 11));
        all.hold(session, 6);
        assert!(all.has_room(session, 4) && !all.has_room(session, 5));
        all.release(session, 6, Some(6));
        assert!(all.has_room(session, 4) && !all.has_room(session, 5));
        all.hold(session, 4);
        all.release(session, 4, Some(0));
        assert!(all.has_room(session, 4), "it failed and cost nothing");
        assert!(!all.has_room(session, u64::MAX));
        assert_eq!(used(&all, session), (6, 2));
    }

    #[test]
    fn what_is_past_its_time_is_forgotten_once_nothing_is_under_way() {
        let (mut all, session) = of(10, 10);
        let later = Time::now().after(Duration::from_secs(61));
        all.forget_expired(Time::now());
        all.hold(session, 1);
        all.forget_expired(later);
        assert_eq!(used(&all, session), (1, 1));
        all.release(session, 1, Some(1));
        all.forget_expired(later);
        assert_eq!(all.get(session), None);
        assert!(!all.has_room(session, 0));
    }
}
