//! Budgets: what a project, or one of its keys, may spend in a day or a month of UTC, counted in memory: what was charged,
//! and what is held.

use crate::id::{BudgetId, KeyId, ProjectId, SessionId};
use crate::owner::Owner;
use crate::time::Time;
use std::collections::HashMap;

/// Who pays, by which key, and in which session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payer {
    /// Org and project.
    pub owner: Owner,
    /// The key.
    pub key: KeyId,
    /// The session; none for what the key asks for itself.
    pub session: Option<SessionId>,
}

/// How long a budget lasts before it starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// From midnight to midnight, UTC.
    Day,
    /// From the first of a month to the next.
    Month,
}

/// A cap on spending, and the spending that it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Its identifier.
    pub id: BudgetId,
    /// The key it is for. `None` for the whole project.
    pub key: Option<KeyId>,
    /// In which time.
    pub period: Period,
    /// Tokens in that time.
    pub cap: u64,
    /// Tokens that were charged in it.
    pub spent: u64,
    /// Tokens that are held.
    pub held: u64,
    pub(crate) created_at: Time,
    pub(crate) starts_at: Time,
    /// When it starts again.
    pub resets_at: Time,
}

impl Period {
    /// As in requests.
    pub fn name(self) -> &'static str {
        match self {
            Period::Day => "day",
            Period::Month => "month",
        }
    }

    /// The period of a name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Period::Day, Period::Month];
        all.into_iter().find(|period| period.name() == name)
    }

    /// When the one that `at` is in began.
    pub(crate) fn begins_at(self, at: Time) -> Time {
        self.around(at).0
    }

    /// When the one that `at` is in began, and when it ends.
    fn around(self, at: Time) -> (Time, Time) {
        let today = at.date();
        let (first, next) = match self {
            Period::Day => (today, today.tomorrow()),
            Period::Month => (today.first_of_month(), today.last_of_month().tomorrow()),
        };
        // There is no day after the last that can be written.
        (Time::midnight(first), Time::midnight(next.unwrap_or(today)))
    }
}

impl Budget {
    pub(crate) fn new(
        id: BudgetId,
        key: Option<KeyId>,
        period: Period,
        cap: u64,
        created_at: Time,
        now: Time,
    ) -> Self {
        let (starts_at, resets_at) = period.around(now);
        Self {
            id,
            key,
            period,
            cap,
            spent: 0,
            held: 0,
            created_at,
            starts_at,
            resets_at,
        }
    }

    /// Itself, which starts again where its time has passed.
    fn rolled(&mut self, now: Time) -> &mut Self {
        if now >= self.resets_at {
            let fresh = Self::new(
                self.id,
                self.key,
                self.period,
                self.cap,
                self.created_at,
                now,
            );
            *self = fresh;
        }
        self
    }

    /// True if a hold made at that time is counted.
    fn counts(&self, at: Time) -> bool {
        at >= self.starts_at && at >= self.created_at
    }
}

/// The key by which a project's budgets are told apart.
type Place = (Option<KeyId>, Period);

/// The budgets of the projects that were asked about since the start.
#[derive(Debug, Default)]
pub(crate) struct Budgets(HashMap<ProjectId, HashMap<Place, Budget>>);

impl Budgets {
    /// True if the project's budgets are here.
    pub(crate) fn knows(&self, project: ProjectId) -> bool {
        self.0.contains_key(&project)
    }

    /// Takes a project's budgets as they are in the database, unless they are here already.
    pub(crate) fn learn(&mut self, project: ProjectId, budgets: &[Budget]) {
        let places = budgets.iter().map(|it| ((it.key, it.period), *it));
        self.0.entry(project).or_insert_with(|| places.collect());
    }

    /// When the last of the budgets that the tokens do not fit in starts again.
    pub(crate) fn refusal(&mut self, payer: &Payer, tokens: u64, now: Time) -> Option<Time> {
        let of_payer = self.of(payer, now);
        let exhausted = of_payer.filter(|it| {
            let all = it.spent.saturating_add(it.held).saturating_add(tokens);
            all > it.cap
        });
        exhausted.map(|it| it.resets_at).max()
    }

    pub(crate) fn hold(&mut self, payer: &Payer, tokens: u64, at: Time) {
        let counting = self.of(payer, Time::now()).filter(|it| it.counts(at));
        counting.for_each(|it| it.held += tokens);
    }

    pub(crate) fn release(&mut self, payer: &Payer, tokens: u64, at: Time) {
        let counting = self.of(payer, Time::now()).filter(|it| it.counts(at));
        counting.for_each(|it| it.held = it.held.saturating_sub(tokens));
    }

    /// Counts a charge for something that was asked for at that time.
    pub(crate) fn spend(&mut self, payer: &Payer, tokens: u64, at: Time) {
        let counting = self.of(payer, Time::now()).filter(|it| at >= it.starts_at);
        counting.for_each(|it| it.spent = it.spent.saturating_add(tokens));
    }

    /// Those that what the payer spends is counted in: of the project and of the key, by day and by month.
    fn of(&mut self, payer: &Payer, now: Time) -> impl Iterator<Item = &mut Budget> {
        let key = Some(payer.key);
        let places = [
            (None, Period::Day),
            (None, Period::Month),
            (key, Period::Day),
            (key, Period::Month),
        ];
        let of_project = self.0.get_mut(&payer.owner.project);
        let of_payer = of_project.map(|it| it.get_disjoint_mut(places.each_ref()));
        let of_payer = of_payer.into_iter().flatten().flatten();
        of_payer.map(move |it| it.rolled(now))
    }

    /// A project's, in the order of their identifiers.
    pub(crate) fn of_project(&mut self, project: ProjectId, now: Time) -> Vec<Budget> {
        let of_project = self.0.get_mut(&project).into_iter().flatten();
        let rolled = of_project.map(|(_, it)| *it.rolled(now));
        let mut budgets: Vec<_> = rolled.collect();
        budgets.sort_by_key(|it| it.id);
        budgets
    }

    /// Puts one in the place of the one of the same key and period.
    pub(crate) fn set(&mut self, project: ProjectId, budget: Budget) {
        let of_project = self.0.entry(project).or_default();
        let place = of_project.entry((budget.key, budget.period));
        let there = place.or_insert(budget);
        if there.id == budget.id {
            there.cap = budget.cap;
        } else {
            *there = budget;
        }
    }

    pub(crate) fn remove(&mut self, project: ProjectId, removed: &Budget) {
        if let Some(of_project) = self.0.get_mut(&project) {
            of_project.remove(&(removed.key, removed.period));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::OrgId;
    use std::time::Duration;

    fn at(text: &str) -> Time {
        text.parse().expect("a time")
    }

    #[test]
    fn days_and_months_of_utc_begin_and_end_at_midnight() {
        for (period, time, starts_at, resets_at) in [
            (
                Period::Day,
                "2026-11-25T00:00:00Z",
                "2026-11-25",
                "2026-11-26",
            ),
            (
                Period::Day,
                "2026-11-25T23:59:59.999999Z",
                "2026-11-25",
                "2026-11-26",
            ),
            (
                Period::Day,
                "2026-12-31T12:00:00Z",
                "2026-12-31",
                "2027-01-01",
            ),
            (
                Period::Month,
                "2026-11-25T12:00:00Z",
                "2026-11-01",
                "2026-12-01",
            ),
            (
                Period::Month,
                "2028-02-29T23:59:59Z",
                "2028-02-01",
                "2028-03-01",
            ),
            (
                Period::Month,
                "2026-12-01T00:00:00Z",
                "2026-12-01",
                "2027-01-01",
            ),
        ] {
            let midnight = |date: &str| at(&format!("{date}T00:00:00Z"));
            let expected = (midnight(starts_at), midnight(resets_at));
            assert_eq!(period.around(at(time)), expected, "{time}");
        }
    }

    #[test]
    fn what_is_charged_and_held_counts_until_the_period_ends() {
        let project = ProjectId::new();
        let owner = Owner {
            org: OrgId::new(),
            project,
        };
        let payer = |key| Payer {
            owner,
            key,
            session: None,
        };
        let (mine, other) = (payer(KeyId::new()), payer(KeyId::new()));
        let now = Time::now();
        let day = |key, cap| Budget::new(BudgetId::new(), key, Period::Day, cap, now, now);
        let (of_key, of_project) = (day(Some(mine.key), 10), day(None, 15));
        let mut budgets = Budgets::default();
        budgets.set(project, of_key);
        budgets.set(project, of_project);
        assert_eq!(budgets.refusal(&mine, 11, now), Some(of_key.resets_at));
        assert_eq!(budgets.refusal(&mine, 10, now), None);
        budgets.hold(&mine, 10, now);
        assert!(budgets.refusal(&mine, 1, now).is_some());
        assert!(
            budgets.refusal(&other, 6, now).is_some(),
            "by the project's"
        );
        assert_eq!(budgets.refusal(&other, 5, now), None);
        budgets.release(&mine, 10, now);
        budgets.spend(&mine, 10, now);
        assert!(budgets.refusal(&mine, 1, now).is_some());
        budgets.set(project, Budget { cap: 11, ..of_key });
        assert_eq!(budgets.refusal(&mine, 1, now), None, "at once");
        // A hold from before the budget is not part of it.
        let before = now.before(Duration::from_secs(1));
        budgets.release(&mine, 5, before);
        assert!(
            budgets
                .of_project(project, now)
                .iter()
                .all(|it| it.held == 0)
        );
        assert_eq!(
            budgets.refusal(&mine, 11, of_key.resets_at),
            None,
            "the next day"
        );
        budgets.remove(project, &of_key);
        budgets.remove(project, &of_project);
        assert_eq!(budgets.refusal(&mine, u64::MAX, now), None);
        assert_eq!(budgets.refusal(&payer(KeyId::new()), 1, now), None);
    }
}
