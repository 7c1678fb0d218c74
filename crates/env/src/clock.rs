//! Time: monotonic for time-outs and leases, wall time only for what is written into records.
#![allow(clippy::disallowed_methods)] // the one place that may

use std::future::Future;
use std::time::Duration;

/// A point on this process's monotonic clock; comparable only within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(tokio::time::Instant);

impl Instant {
    /// The time now.
    #[must_use]
    pub fn now() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// How long ago this was; zero when it lies ahead.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The time between `earlier` and this; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, span: Duration) -> Instant {
        Instant(self.0 + span)
    }
}

/// Wall time in milliseconds since 1970-01-01 UTC, as Kafka's timestamps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub i64);

impl WallTime {
    /// The time now; 0 when the machine's clock stands before 1970.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(feature = "simulated")]
        if let Some(wall_ms) = crate::simulated::wall_ms() {
            return Self(wall_ms);
        }
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since_epoch.map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Waits for `span`.
pub async fn sleep(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Waits until `deadline`.
pub async fn sleep_until(deadline: Instant) {
    tokio::time::sleep_until(deadline.0).await;
}

/// Waits until `deadline`; without one, for ever.
pub async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What `future` gives, or `None` when `span` is over first; the future is dropped then.
pub async fn timeout<F: Future>(span: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(span, future).await.ok()
}
