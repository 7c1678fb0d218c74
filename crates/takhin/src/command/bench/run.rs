//! One run: lanes that do the work as tasks of this thread, and who watches them.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
    time::Duration,
};

use anyhow::Result;
use client::ClientError;
use env::{Instant, alarm::Alarm, task::JoinHandle};

use super::{
    load::Length,
    progress::Progress,
    schedule::Schedule,
    tally::{Phase, Tally},
};

/// Between two progress lines.
const TICK: Duration = Duration::from_secs(1);
/// Nothing has been answered for so long: nobody is there.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// What is under way at the end may take so long.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What lanes and watcher share.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) started: Instant,
    pub(crate) tally: RefCell<Tally>,
    is_stopping: Cell<bool>,
    /// `None` has no end.
    requests_left: Cell<Option<u64>>,
    /// By lane.
    wakers: RefCell<Vec<Option<Waker>>>,
}

impl Run {
    /// A run of so many lanes that may send so many requests, beginning now.
    pub(crate) fn new(lanes: usize, requests: Option<u64>) -> Rc<Self> {
        Rc::new(Self {
            started: Instant::now(),
            tally: RefCell::default(),
            is_stopping: Cell::new(false),
            requests_left: Cell::new(requests),
            wakers: RefCell::new(vec![None; lanes]),
        })
    }

    /// Whether no more requests are wanted.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.get() || self.requests_left.get() == Some(0)
    }

    /// Takes the right to send one request.
    pub(crate) fn take_request(&self) -> bool {
        if self.is_stopping() {
            return false;
        }
        self.requests_left.set(self.requests_left.get().map(|left| left - 1));
        if self.requests_left.get() == Some(0) {
            // Lanes that wait for nothing but their next turn, which no longer comes.
            self.stop();
        }
        true
    }

    /// Keeps who is to be woken for a lane.
    pub(crate) fn register(&self, lane: usize, waker: &Waker) {
        let slot = &mut self.wakers.borrow_mut()[lane];
        if !slot.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    fn wake(&self, lane: usize) {
        if let Some(waker) = &self.wakers.borrow()[lane] {
            waker.wake_by_ref();
        }
    }

    /// Asks every lane to end what is under way and no more.
    pub(crate) fn stop(&self) {
        self.is_stopping.set(true);
        (0..self.wakers.borrow().len()).for_each(|lane| self.wake(lane));
    }

    /// Begins another part.
    pub(crate) fn enter(&self, phase: Phase) {
        self.tally.borrow_mut().enter(phase);
    }

    /// Starts a lane; how it fails is counted.
    pub(crate) fn spawn(
        self: &Rc<Self>,
        lane: impl Future<Output = Result<(), ClientError>> + 'static,
    ) -> JoinHandle<()> {
        let run = Rc::clone(self);
        env::spawn_local(async move {
            if let Err(error) = lane.await {
                run.tally.borrow_mut().broke(&error);
            }
        })
    }

    /// Wakes lanes when their requests are due, until the run stops.
    pub(crate) async fn keep_time(self: Rc<Self>, schedule: Schedule) -> Result<()> {
        let (mut alarm, mut number) = (Alarm::new()?, 0);
        while !self.is_stopping() {
            alarm.wait_until(self.started + schedule.due(number)).await?;
            let elapsed = self.started.elapsed();
            while schedule.due(number) <= elapsed {
                self.wake(usize::try_from(schedule.lane_of(number))?);
                number += 1;
            }
            // The alarm does not yield when it is late.
            env::yield_now().await;
        }
        // Lanes that wait for a time that no longer comes.
        self.stop();
        Ok(())
    }
}

/// What a run took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    /// The measured part.
    pub(crate) measured: Duration,
    /// Processor time of this process in it, where that is not what is measured.
    pub(crate) cpu: Option<Duration>,
}

/// Goes through the parts of a run: warm-up, what is measured, and the rest of what is under way.
///
/// `runs` are told about the parts; the first is the one that is stopped at the end, and whose `lanes` are awaited;
/// progress is that of the last.
pub(crate) async fn watch(
    runs: &[&Rc<Run>],
    lanes: Vec<JoinHandle<()>>,
    length: &Length,
    progress: &mut Progress,
) -> Span {
    let (run, shown) = (runs[0], runs[runs.len() - 1]);
    let mut done = std::pin::pin!(all(lanes));
    let is_done = during(shown, &mut done, Some(length.warm_up), progress).await;
    runs.iter().for_each(|run| run.enter(Phase::Measured));
    let (began, cpu) = (Instant::now(), env::machine::process_use().cpu);
    let is_done = is_done || during(shown, &mut done, length.measured, progress).await;
    let span =
        Span { measured: began.elapsed(), cpu: Some(env::machine::process_use().cpu.saturating_sub(cpu)) };
    runs.iter().for_each(|run| run.enter(Phase::After));
    run.stop();
    if !is_done {
        // Lanes that don't end have requests without answers, which they counted when they were sent.
        let _ = env::timeout(DRAIN_MAX, done).await;
    }
    span
}

async fn all(lanes: Vec<JoinHandle<()>>) {
    for lane in lanes {
        // A lane that panicked has said so.
        let _ = lane.await;
    }
}

/// Lets the lanes work for `span`, a progress line each second; whether they all ended before.
async fn during(
    run: &Rc<Run>,
    done: &mut (impl Future<Output = ()> + Unpin),
    span: Option<Duration>,
    progress: &mut Progress,
) -> bool {
    let end = span.map(|span| Instant::now() + span);
    let (mut answers, mut last_answer) = (run.tally.borrow().answers, Instant::now());
    loop {
        let left = end.map_or(TICK, |end| end.since(Instant::now())).min(TICK);
        if left.is_zero() {
            return false;
        }
        if env::timeout(left, &mut *done).await.is_some() {
            return true;
        }
        if left == TICK {
            progress.tick(&mut run.tally.borrow_mut());
        }
        let now = run.tally.borrow().answers;
        if now != answers {
            (answers, last_answer) = (now, Instant::now());
        } else if last_answer.elapsed() > SILENCE_MAX {
            run.tally.borrow_mut().failed("no answer for 30 s");
            return false;
        }
    }
}

#[cfg(test)]
#[path = "run_test.rs"]
mod run_test;
