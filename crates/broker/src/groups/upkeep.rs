//! What coordinators do when nobody asks: sessions end, offsets expire, deleted topics are forgotten.

use std::rc::Rc;
use std::time::Duration;

use super::planted::planted;
use super::room_for_writes;
use super::seat::Seat;
use crate::server::Broker;

/// When logs are rewritten, and how.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "simulated"), expect(unreachable_pub, reason = "of simulations only"))]
pub struct Rewriting {
    /// Between two looks for logs that have grown.
    pub period: Duration,
    /// A log is rewritten when it has twice the records that would do, and so many more.
    pub records_min: u64,
    /// Bytes of a piece: so few that others need not wait for it.
    pub piece_bytes: usize,
}

impl Default for Rewriting {
    fn default() -> Self {
        Self { period: Duration::from_secs(5), records_min: 5000, piece_bytes: 128 << 10 }
    }
}

/// Begins to serve the groups that there are, and to keep their time.
pub(crate) fn start(broker: &Rc<Broker>) {
    broker.groups.refresh(broker);
    env::spawn_local(keep_time(broker.clone()));
    env::spawn_local(expire_offsets(broker.clone()));
    env::spawn_local(rewrite(broker.clone()));
}

/// What was committed of a topic that is gone is forgotten; comes back when that is durable. False when it may not be: whoever looks
/// for expired offsets, and a coordinator that begins, look whether there is such a topic.
pub(crate) async fn topic_deleted(broker: &Rc<Broker>, topic: &str) -> bool {
    let seats = broker.groups.seats(broker);
    for seat in &seats {
        if !seat.forget_topic(broker, topic).await {
            return false;
        }
    }
    let mut is_forgotten = true;
    for seat in &seats {
        is_forgotten &= seat.all_committed().await;
    }
    is_forgotten
}

/// Does what is due, for ever.
async fn keep_time(broker: Rc<Broker>) {
    let host = &broker.groups;
    loop {
        let next = host.seats.borrow().iter().filter_map(|seat| seat.next_deadline()).min();
        host.looks_at.set(next);
        tokio::select! {
            biased;
            () = host.sooner.notified() => continue,
            () = env::clock::sleep_until_some(next.map(|at| host.origin + at)) => {}
        }
        for seat in host.seats(&broker) {
            let now = host.now();
            if seat.next_deadline().is_none_or(|at| at > now.monotonic) {
                continue;
            }
            if room_for_writes(&broker).await.is_err() {
                // Members can't be told apart from a broker that does not write: they stay until it does.
                env::sleep(super::load::RETRY_AFTER).await;
                break;
            }
            seat.expire(&broker, host.now());
        }
    }
}

/// Looks for logs that a start would read for long, for ever.
async fn rewrite(broker: Rc<Broker>) {
    let Rewriting { period, records_min, .. } = broker.groups.rewriting;
    loop {
        env::sleep(period).await;
        for seat in broker.groups.seats(&broker) {
            let (in_log, live) = seat.records();
            if in_log > 2 * live + records_min && !rewrite_one(&broker, &seat).await {
                // Nothing is written at present, or the coordinator began anew: the next look sees.
                break;
            }
        }
    }
}

/// Writes all that is remembered behind the log, and has the log begin there; false when it came to nothing.
async fn rewrite_one(broker: &Rc<Broker>, seat: &Rc<Seat>) -> bool {
    // What is committed by now was decided before the first piece, which has it.
    let (partition, mut begin) = seat.end();
    let plan = broker.groups.plan;
    let mut after = None;
    loop {
        if room_for_writes(broker).await.is_err() {
            return false;
        }
        after = seat.rewrite(broker, after.as_ref());
        if !seat.all_committed().await {
            return false;
        }
        if after.is_none() || planted!(plan, RewritingEndsEarly) {
            break;
        }
    }
    if planted!(plan, StartTooFar) {
        begin = seat.end().1;
    }
    broker.node().advance_log_starts(vec![(partition, begin)]).await.is_ok()
}

/// Looks for expired offsets now and then, for ever.
async fn expire_offsets(broker: Rc<Broker>) {
    loop {
        env::sleep(broker.options.groups.expiry_period).await;
        for seat in broker.groups.seats(&broker) {
            let mut after = None;
            loop {
                if room_for_writes(&broker).await.is_err() {
                    break;
                }
                after = seat.expire_offsets(&broker, broker.groups.now(), after.as_ref());
                if after.is_none() {
                    seat.forget_gone(&broker).await;
                    break;
                }
            }
        }
    }
}
