//! Times of calls, and what is said of them.

use std::time::{Duration, Instant};

/// Calls that a p99 takes: so that a hundred of them are beyond it.
pub(crate) const P99_CALLS: usize = 10_000;

/// Seconds that calls took, shortest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn new(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self(seconds)
    }

    /// Calls again and again, one at a time: `calls` times, or until `patience` is over.
    pub(crate) fn take(
        calls: usize,
        patience: Duration,
        mut call: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let given_up_at = Instant::now() + patience;
        let mut seconds = Vec::with_capacity(calls);
        while seconds.len() < calls && (seconds.is_empty() || Instant::now() < given_up_at) {
            let started = Instant::now();
            call()?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        Ok(Self::new(seconds))
    }

    /// The value that a share of the calls stay under.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let Some(last) = self.0.len().checked_sub(1) else {
            return f64::NAN;
        };
        let index = (share * last as f64).round();
        self.0[(index as usize).min(last)]
    }

    pub(crate) fn p50(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.quantile(0.99)
    }

    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The same calls in several rounds.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Vec<Sample>);

impl Rounds {
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// The median of the rounds' medians.
    pub(crate) fn p50(&self) -> f64 {
        median(self.0.iter().map(Sample::p50))
    }

    /// The median of the rounds' means.
    pub(crate) fn mean(&self) -> f64 {
        median(self.0.iter().map(Sample::mean))
    }

    /// Over all calls of all rounds: one round has too few beyond it.
    pub(crate) fn p99(&self) -> f64 {
        let all = self.0.iter().flat_map(|round| round.0.iter().copied());
        Sample::new(all.collect()).p99()
    }

    /// Calls in all.
    pub(crate) fn calls(&self) -> usize {
        self.0.iter().map(Sample::len).sum()
    }
}

/// The median of rounds.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let Sample(values) = Sample::new(values.into_iter().collect());
    match values.len() {
        0 => f64::NAN,
        len => f64::midpoint(values[(len - 1) / 2], values[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_calls_and_medians_of_rounds() {
        let sample = Sample::new((0..=100).rev().map(f64::from).collect());
        assert_eq!(
            (sample.p50(), sample.p99(), sample.max()),
            (50.0, 99.0, 100.0)
        );
        assert_eq!(Sample::new(vec![1.0, 2.0, 6.0]).mean(), 3.0);
        assert!(Sample::default().p50().is_nan());
        assert_eq!((median([9.0, 1.0, 2.0]), median([1.0, 9.0])), (2.0, 5.0));
        assert!(median([]).is_nan());
        let mut rounds = Rounds::default();
        rounds.push(Sample::new(vec![1.0, 1.0, 1.0]));
        rounds.push(Sample::new(vec![2.0, 2.0, 70.0]));
        rounds.push(Sample::new(vec![3.0, 3.0, 3.0]));
        assert_eq!((rounds.p50(), rounds.p99(), rounds.calls()), (2.0, 70.0, 9));
    }

    #[test]
    fn a_sample_ends_with_its_calls_or_with_its_patience() {
        let calls = |patience| Sample::take(5, patience, || Ok(())).map(|sample| sample.len());
        assert_eq!(calls(Duration::from_secs(60)).ok(), Some(5));
        assert_eq!(calls(Duration::ZERO).ok(), Some(1));
    }
}
