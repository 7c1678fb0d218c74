//! What an I/O thread counts: plain cells, one addition each, read when somebody asks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use wire::api::ApiKey;
use wire::error::ErrorCode;

use crate::durations::{DurationCells, Durations};

/// Above every API key that is served.
const KEYS: usize = 128;
/// Above every version of them.
const VERSIONS: usize = 32;

/// See the module's head.
pub(crate) struct Counters {
    connections: Cell<u64>,
    connections_refused: Cell<u64>,
    bytes_received: Cell<u64>,
    bytes_sent: Cell<u64>,
    /// By key, then version.
    requests: Vec<Cell<u64>>,
    /// By key.
    durations: Vec<DurationCells>,
    fetches: Cell<u64>,
    /// Touched where a request fails only.
    errors: RefCell<BTreeMap<(ApiKey, ErrorCode), u64>>,
}

/// What was counted, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Connections open now.
    pub connections_active: u64,
    /// Connections accepted since the start.
    pub connections: u64,
    /// Connections closed at once because there were too many.
    pub connections_refused: u64,
    /// Bytes read from clients.
    pub bytes_received: u64,
    /// Bytes written to clients.
    pub bytes_sent: u64,
    /// Requests by API and version, those only that came.
    pub requests: Vec<(&'static str, i16, u64)>,
    /// How long those that were answered took, by API: from when one was read, or the one before it on its connection was answered,
    /// until its answer was ready to be sent.
    pub durations: Vec<(&'static str, Durations)>,
    /// Errors by API and Kafka's name of the error: every one that an answer had, of the request, a topic, a partition or a group;
    /// of produce requests that are not answered those that closed their connection.
    pub errors: Vec<(&'static str, &'static str, u64)>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            connections: Cell::default(),
            connections_refused: Cell::default(),
            bytes_received: Cell::default(),
            bytes_sent: Cell::default(),
            requests: vec![Cell::new(0); KEYS * VERSIONS],
            durations: (0..KEYS).map(|_| DurationCells::default()).collect(),
            fetches: Cell::default(),
            errors: RefCell::default(),
        }
    }
}

impl Counters {
    pub(crate) fn connected(&self) {
        add(&self.connections, 1);
    }

    pub(crate) fn connection_refused(&self) {
        add(&self.connections_refused, 1);
    }

    pub(crate) fn received(&self, bytes: usize) {
        add(&self.bytes_received, bytes as u64);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.bytes_sent, bytes as u64);
    }

    /// A request that is served was read.
    pub(crate) fn requested(&self, key: ApiKey, version: i16) {
        if let Some(counter) = place(key, version).and_then(|at| self.requests.get(at)) {
            add(counter, 1);
        }
    }

    /// A request was answered.
    pub(crate) fn took(&self, key: ApiKey, duration: Duration) {
        if let Some(durations) = usize::try_from(key.code()).ok().and_then(|key| self.durations.get(key)) {
            durations.add(duration);
        }
    }

    /// The number of one more fetch that is answered, from 1 on.
    pub(crate) fn next_fetch(&self) -> u64 {
        add(&self.fetches, 1);
        self.fetches.get()
    }

    /// An answer was encoded that had these error codes, each so often ([`wire::primitive::Writer::errors`]).
    pub(crate) fn answered(&self, key: ApiKey, errors: &[(i16, u64)]) {
        for (code, count) in errors {
            self.failed(key, ErrorCode::from_code(*code).unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR), *count);
        }
    }

    /// `count` parts of a request failed.
    pub(crate) fn failed(&self, key: ApiKey, error: ErrorCode, count: u64) {
        *self.errors.borrow_mut().entry((key, error)).or_default() += count;
    }

    /// What was counted so far.
    pub(crate) fn traffic(&self, connections_active: usize) -> Traffic {
        let counted = |key: ApiKey, version| {
            let count = self.requests.get(place(key, version)?)?.get();
            (count > 0).then_some((key.name(), version, count))
        };
        let requests = crate::dispatch::SERVED
            .iter()
            .flat_map(|key| key.versions().filter_map(move |version| counted(*key, version)));
        let errors = self.errors.borrow();
        Traffic {
            connections_active: connections_active as u64,
            connections: self.connections.get(),
            connections_refused: self.connections_refused.get(),
            bytes_received: self.bytes_received.get(),
            bytes_sent: self.bytes_sent.get(),
            requests: requests.collect(),
            durations: self.all_durations(),
            errors: errors.iter().map(|((key, error), count)| (key.name(), error.name(), *count)).collect(),
        }
    }

    fn all_durations(&self) -> Vec<(&'static str, Durations)> {
        let served = crate::dispatch::SERVED.iter().filter_map(|key| {
            let cells = self.durations.get(usize::try_from(key.code()).ok()?)?;
            Some((key.name(), cells.read()))
        });
        served.filter(|(_, durations)| durations.count() > 0).collect()
    }
}

fn add(counter: &Cell<u64>, count: u64) {
    counter.set(counter.get() + count);
}

fn place(key: ApiKey, version: i16) -> Option<usize> {
    let (key, version) = (usize::try_from(key.code()).ok()?, usize::try_from(version).ok()?);
    (key < KEYS && version < VERSIONS).then_some(key * VERSIONS + version)
}
