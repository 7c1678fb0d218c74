//! One broker's I/O thread, its disk and its producers on a simulated clock: what a setting makes of a load.
//!
//! Costs are rounded from measurements (docs/adr/0014): the thread takes requests, begins and ends commits and answers, one
//! thing after the other; the disk syncs one group at a time meanwhile; producers share one other core.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use batch::wait::{CommitWait, Forming, Verdict};
use batch::{BULK_ITEM_BYTES, WaitSettings};

use super::Mistake;
use super::loads::{Load, Setting};
use crate::dice::Dice;

/// Of the I/O thread, for each request: reading it, answering it; for each commit: before and after its sync.
const READ: Duration = Duration::from_nanos(4_500);
const ANSWER: Duration = Duration::from_nanos(2_000);
const BEGIN: Duration = Duration::from_micros(35);
const END: Duration = Duration::from_micros(35);
/// Of the disk: a sync takes from 150 to 210 µs, one in 1,000 four times as long, and 0.7 ns a byte.
const SYNC: Duration = Duration::from_micros(150);
const SYNC_SPREAD_US: u64 = 60;
/// Of a producer: from its answer to its next request, and the part of it that is work on the shared core.
const THINK: Duration = Duration::from_micros(40);
const THINK_SPREAD_US: u64 = 20;
const SEND: Duration = Duration::from_nanos(2_500);
/// An entry takes so many bytes.
const ENTRY_BYTES: usize = 1 << 20;
/// Timers are no finer; below a quarter of it the thread looks at its sockets instead.
const TIMER: Duration = Duration::from_millis(1);
const TURNS_MAX: Duration = Duration::from_micros(250);
/// A run in a closed loop, the requests of one in an open loop, and what of a run does not count.
const RUN: Duration = Duration::from_millis(2_000);
const OPEN_REQUESTS: u32 = 100_000;
const WARM_UP: Duration = Duration::from_millis(300);
/// A tail is cut at this age, or at an entry's bytes; a batch's header, and what a record takes beside its value.
const TAIL_AGE_S: f64 = 1.0;
const HEADER_BYTES: f64 = 61.0;
const RECORD_BYTES: f64 = 10.0;

/// What a setting made of a load.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Records answered a second.
    pub records_per_s: f64,
    /// Of the time from a record's sending to its answer.
    pub p50: Duration,
    /// See `p50`.
    pub p99: Duration,
    /// Bytes stored for a record, without a codec.
    pub stored_bytes: f64,
    /// Records of a commit.
    pub records_per_commit: f64,
}

struct Item {
    producer: usize,
    sent_at: Duration,
    came_at: Duration,
}

/// See the module's head.
pub(super) struct Model {
    load: Load,
    wait: Option<CommitWait>,
    mistake: Option<Mistake>,
    dice: Dice,
    now: Duration,
    /// Requests on their way: when each is there, and whose it is.
    coming: BinaryHeap<Reverse<(Duration, usize)>>,
    client_free_at: Duration,
    forming: VecDeque<Item>,
    in_flight: Vec<Item>,
    /// The commit that ended last, and the one that answered each producer last.
    commit: u64,
    answered_in: Vec<u64>,
    synced_at: Option<Duration>,
    latencies_us: Vec<u64>,
    commits: u64,
    end: Duration,
}

impl Model {
    pub(super) fn new(load: Load, setting: Setting, mistake: Option<Mistake>) -> Self {
        let wait = match setting {
            Setting::NoGroupCommit => None,
            Setting::Grouped(settings) => Some(CommitWait::new(settings)),
        };
        let mut model = Self {
            load,
            wait,
            mistake,
            dice: Dice::new(7),
            now: Duration::ZERO,
            coming: BinaryHeap::new(),
            client_free_at: Duration::ZERO,
            forming: VecDeque::new(),
            in_flight: Vec::new(),
            commit: 0,
            answered_in: vec![0; load.producers],
            synced_at: None,
            latencies_us: Vec::new(),
            commits: 0,
            end: if load.rate == 0 {
                RUN
            } else {
                RUN.max(Duration::from_secs(1) * OPEN_REQUESTS / load.rate)
            },
        };
        model.begin_load();
        model
    }

    fn begin_load(&mut self) {
        if self.load.rate == 0 {
            for producer in 0..self.load.producers {
                let at = self.dice.below(1000);
                self.coming.push(Reverse((Duration::from_micros(at), producer)));
            }
        } else {
            let first = self.gap();
            self.coming.push(Reverse((first, 0)));
        }
    }

    /// An open loop's time to the next request: an exponential distribution.
    fn gap(&mut self) -> Duration {
        let even = (self.dice.below(1 << 30) + 1) as f64 / f64::from(1 << 30);
        Duration::from_secs_f64(-even.ln() / f64::from(self.load.rate))
    }

    pub(super) fn run(mut self, setting: Setting) -> Outcome {
        while self.now < self.end {
            let arrived = self.turn();
            // One turn more for whoever has sent by now, as the broker's hand-over does.
            let due = if arrived { self.coming_by(self.now) } else { false };
            let until = if due { Some(self.now) } else { self.hand_over() };
            self.sleep(until);
        }
        self.outcome(setting)
    }

    fn coming_by(&self, time: Duration) -> bool {
        self.coming.peek().is_some_and(|Reverse((at, _))| *at <= time)
    }

    /// What the sockets and the disk have by now; true when a request was among it.
    fn turn(&mut self) -> bool {
        if self.synced_at.is_some_and(|at| at <= self.now) {
            self.end_commit();
        }
        let begin = self.now;
        let mut has_any = false;
        while let Some(Reverse((at, producer))) = self.coming.peek().copied().filter(|next| next.0.0 <= begin)
        {
            self.coming.pop();
            has_any = true;
            self.now += READ;
            let is_back = self.commit > 0 && self.answered_in[producer] == self.commit
                || self.mistake == Some(Mistake::TakesAllForReturned);
            if is_back
                && let Some(wait) = &mut self.wait
                && self.mistake != Some(Mistake::MissesWhoReturns)
            {
                wait.returned(self.now);
            }
            self.forming.push_back(Item { producer, sent_at: at, came_at: self.now });
            if self.load.rate > 0 {
                let (next, producer) = (at + self.gap(), self.dice.index(self.load.producers));
                self.coming.push(Reverse((next, producer)));
            }
        }
        has_any
    }

    fn end_commit(&mut self) {
        let synced_at = self.synced_at.take().unwrap_or(self.now);
        self.now = self.now.max(synced_at) + END;
        if let Some(wait) = &mut self.wait {
            wait.ended(self.now, self.in_flight.len());
        }
        self.commit += 1;
        for item in std::mem::take(&mut self.in_flight) {
            self.now += ANSWER;
            self.answered_in[item.producer] = self.commit;
            if self.now > WARM_UP {
                let waited = self.now.saturating_sub(item.sent_at).as_micros();
                self.latencies_us.push(u64::try_from(waited).unwrap_or(u64::MAX));
            }
            if self.load.rate == 0 {
                self.client_free_at = self.client_free_at.max(self.now) + SEND;
                let think = THINK + Duration::from_micros(self.dice.below(THINK_SPREAD_US));
                self.coming.push(Reverse((self.client_free_at + think, item.producer)));
            }
        }
    }

    /// Begins a commit if one is due; the time at which there is something to do again, if the disk does not say.
    fn hand_over(&mut self) -> Option<Duration> {
        if self.synced_at.is_some() || self.forming.is_empty() {
            return None;
        }
        if let Verdict::Wait { until, .. } = self.verdict() {
            let left = until.saturating_sub(self.now);
            return Some(if left > TURNS_MAX { until + TIMER / 2 } else { until });
        }
        self.now += BEGIN;
        let fits = ENTRY_BYTES / (self.load.record_bytes + 100);
        let count = if self.wait.is_some() { self.forming.len().min(fits.max(1)) } else { 1 };
        if let Some(wait) = &mut self.wait {
            let first_at = self.forming[0].came_at;
            wait.began(self.now, first_at);
        }
        self.in_flight.extend(self.forming.drain(..count));
        let bytes = u64::try_from(count * (self.load.record_bytes + 100)).unwrap_or(u64::MAX);
        let slow = if self.dice.below(1000) == 0 { 4 } else { 1 };
        let sync = SYNC * slow + Duration::from_micros(self.dice.below(SYNC_SPREAD_US));
        self.synced_at = Some(self.now + sync + Duration::from_nanos(bytes * 7 / 10));
        self.commits += u64::from(self.now > WARM_UP);
        None
    }

    fn verdict(&self) -> Verdict {
        let Some(wait) = &self.wait else { return Verdict::Go };
        if self.load.record_bytes >= BULK_ITEM_BYTES {
            return Verdict::Go;
        }
        let WaitSettings { linger, is_adaptive, .. } = *wait.settings();
        let due_by = self.forming[0].came_at + linger;
        let forming = Forming { items: self.forming.len(), due_by, is_budgeted: false };
        match self.mistake {
            Some(Mistake::NeverWaits) if is_adaptive => Verdict::Go,
            Some(Mistake::AlwaysWaits) if is_adaptive && self.now < due_by => {
                Verdict::Wait { until: due_by, items: usize::MAX }
            }
            _ => wait.decide(self.now, &forming),
        }
    }

    fn sleep(&mut self, until: Option<Duration>) {
        let next = self.coming.peek().map(|Reverse((at, _))| *at);
        let wake = [next, self.synced_at, until].into_iter().flatten().min();
        self.now = self.now.max(wake.unwrap_or(self.end));
    }

    fn outcome(mut self, setting: Setting) -> Outcome {
        self.latencies_us.sort_unstable();
        let count = self.latencies_us.len();
        let at = |percent: usize| {
            Duration::from_micros(self.latencies_us.get(count * percent / 100).copied().unwrap_or(0))
        };
        let records_per_s = count as f64 / (self.end - WARM_UP).as_secs_f64();
        Outcome {
            records_per_s,
            p50: at(50),
            p99: at(99),
            stored_bytes: stored_bytes(&self.load, records_per_s, setting.merged_records_max()),
            records_per_commit: count as f64 / (self.commits.max(1) as f64),
        }
    }
}

/// For a record, when as many a second come as `records_per_s` says and a merged batch holds `records_max`.
fn stored_bytes(load: &Load, records_per_s: f64, records_max: usize) -> f64 {
    let record = load.record_bytes as f64 + RECORD_BYTES;
    let in_tail =
        (records_per_s / load.partitions as f64 * TAIL_AGE_S).min(ENTRY_BYTES as f64 / record).max(1.0);
    let by_bytes = (ENTRY_BYTES as f64 / record).max(1.0);
    let per_batch = in_tail.min(records_max as f64).min(by_bytes);
    record + HEADER_BYTES / per_batch
}
