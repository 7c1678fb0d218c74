//! Mode `commit`: each connection commits an offset for a group of its own, again as soon as it is answered.
use crate::conn::{call, Conn};
use crate::meter::{Done, Meter};
use crate::{modes, wire, Args};
use mio::{Events, Poll};
use std::time::{Duration, Instant};

struct Committer {
    c: Conn,
    group: String,
    offset: i64,
    from: Instant,
}

impl Committer {
    fn send(&mut self, topic: &str, partitions: i32) {
        self.offset += 1;
        self.from = Instant::now();
        let part = (self.offset % i64::from(partitions)) as i32;
        let req = wire::offset_commit(self.offset as i32, &self.group, topic, part, self.offset);
        self.c.send(&req);
    }
}

/// Asks until somebody coordinates `group` and takes its first commit.
fn coordinator(a: &Args, group: &str) -> String {
    let t0 = Instant::now();
    loop {
        let found = call(a.s("addr"), &wire::find_coordinator(1, group)).expect("FindCoordinator");
        let (error, at) = wire::find_coordinator_resp(&found);
        if error == 0 {
            let req = wire::offset_commit(1, group, a.s("topic"), 0, 0);
            if wire::offset_commit_resp(&call(&at, &req).expect("OffsetCommit")) == 0 {
                return at;
            }
        }
        assert!(t0.elapsed().as_secs_f64() < a.n("timeout"), "no coordinator of {group}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn commit(a: &Args) {
    let (conns, partitions): (usize, i32) = (a.n("connections"), a.n("partitions"));
    let topic = a.s("topic").to_string();
    let mut poll = Poll::new().unwrap();
    let open = |i: usize| {
        let group = format!("commit-{}-{i}", a.s("tag"));
        let at = coordinator(a, &group);
        Committer { c: Conn::open(&at, &poll, i), group, offset: 0, from: Instant::now() }
    };
    let mut cs: Vec<_> = (0..conns).map(open).collect();
    let (mut lat, mut errors, mut requests) = (modes::hist(), 0u64, 0u64);
    let begin = Instant::now() + Duration::from_secs_f64(a.n("warmup"));
    let end = begin + Duration::from_secs_f64(a.n("duration"));
    let mut meter: Option<Meter> = None;
    cs.iter_mut().for_each(|c| c.send(&topic, partitions));
    let mut ev = Events::with_capacity(1024);
    loop {
        let now = Instant::now();
        if meter.is_none() && now >= begin {
            meter = Some(Meter::start(a));
            (requests, errors) = (0, 0);
        }
        if now >= end {
            break;
        }
        poll.poll(&mut ev, Some(Duration::from_millis(10))).ok();
        for e in ev.iter() {
            let c = &mut cs[e.token().0];
            if e.is_writable() {
                c.c.flush();
            }
            if !e.is_readable() {
                continue;
            }
            let (mut again, from) = (0, c.from);
            c.c.recv(|b| {
                match wire::offset_commit_resp(b) {
                    0 if meter.is_some() => {
                        requests += 1;
                        lat.record(from.elapsed().as_nanos() as u64).ok();
                    }
                    0 => {}
                    error => {
                        errors += 1;
                        if errors <= 3 {
                            eprintln!("commit: error {error}");
                        }
                    }
                }
                again += 1;
            });
            (0..again).for_each(|_| c.send(&topic, partitions));
        }
    }
    let done = Done { records: requests, bytes: 0, requests, errors };
    meter.unwrap_or_else(|| Meter::start(a)).report(a, done, &lat, "");
    if errors > 0 {
        std::process::exit(1);
    }
}
