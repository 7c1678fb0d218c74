//! The five modes. Each is bounded by --duration, --max-records or --timeout.
use crate::batch::{self, Rng};
use crate::conn::{call, Conn};
use crate::meter::{Done, Meter};
use crate::{wire, Args};
use hdrhistogram::Histogram;
use mio::{Events, Poll};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Batches built before the run and sent in turn: as many as fit here, so that a broker that
/// compresses across batches does not meet the same bytes again too soon.
const TEMPLATE_BYTES: usize = 32 << 20;

pub fn hist() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 600_000_000_000, 3).unwrap()
}

// ---------------------------------------------------------------- set-up

/// Waits until a metadata request is answered with a broker; prints the milliseconds from its own start.
pub fn ready(a: &Args) {
    let t0 = Instant::now();
    loop {
        if let Ok(b) = call(a.s("addr"), &wire::metadata(1, None)) {
            if !wire::metadata_resp(&b).brokers.is_empty() {
                println!("{{\"mode\":\"ready\",\"ms\":{:.1}}}", t0.elapsed().as_secs_f64() * 1e3);
                return;
            }
        }
        if t0.elapsed().as_secs_f64() > a.n("timeout") {
            eprintln!("not ready");
            std::process::exit(1);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Creates the topic and waits until every partition has a leader.
pub fn create(a: &Args) {
    let t0 = Instant::now();
    let cfg: Vec<_> = a
        .s("config")
        .split(',')
        .filter_map(|c| c.split_once('='))
        .map(|(k, v)| (k.into(), v.into()))
        .collect();
    let b = call(a.s("addr"), &wire::create_topic(1, a.s("topic"), a.n("partitions"), &cfg)).expect("create");
    let e = wire::create_topic_resp(&b);
    let answered = t0.elapsed();
    if e != 0 && e != 36 {
        eprintln!("create: error {e}");
        std::process::exit(1);
    }
    leaders(a);
    println!(
        "{{\"mode\":\"create\",\"partitions\":{},\"error\":{e},\"answered_ms\":{:.1},\"led_ms\":{:.1}}}",
        a.s("partitions"),
        answered.as_secs_f64() * 1e3,
        t0.elapsed().as_secs_f64() * 1e3
    );
}

/// Address of each partition's leader; waits for --timeout.
fn leaders(a: &Args) -> Vec<String> {
    let (t0, want): (_, usize) = (Instant::now(), a.n("partitions"));
    loop {
        let m = wire::metadata_resp(
            &call(a.s("addr"), &wire::metadata(2, Some(a.s("topic")))).expect("metadata"),
        );
        let at: HashMap<i32, String> = m.brokers.into_iter().collect();
        let mut l: Vec<_> = m.leaders.iter().filter_map(|&(p, b)| Some((p, at.get(&b)?.clone()))).collect();
        l.sort();
        if l.len() >= want {
            return l.into_iter().take(want).map(|x| x.1).collect();
        }
        if t0.elapsed().as_secs_f64() > a.n("timeout") {
            panic!("{} of {want} partitions led, error {}", l.len(), m.error);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn check_versions(addr: &str) {
    let have = wire::api_versions_resp(&call(addr, &wire::api_versions(3)).expect("ApiVersions"));
    for (k, v) in [wire::PRODUCE, wire::FETCH, wire::METADATA, wire::LIST_OFFSETS] {
        if !have.iter().any(|&(key, lo, hi)| key == k && lo <= v && v <= hi) {
            eprintln!("warning: the broker does not list api {k} version {v}");
        }
    }
}

// ---------------------------------------------------------------- produce

struct Producer {
    c: Conn,
    part: i32,
    pending: VecDeque<Instant>,
    pid: i64,
    epoch: i16,
    seq: i32,
    corr: i32,
    turn: usize,
}

impl Producer {
    fn open(a: &Args, i: usize, at: &[String], poll: &Poll) -> Producer {
        let part = i % at.len();
        let (mut pid, mut epoch) = (-1, -1);
        if a.n::<u8>("idempotent") == 1 {
            let t0 = Instant::now();
            loop {
                let (e, p, ep) = wire::init_producer_id_resp(
                    &call(&at[part], &wire::init_producer_id(4)).expect("InitProducerId"),
                );
                if e == 0 {
                    (pid, epoch) = (p, ep);
                    break;
                }
                // 14 to 16: the coordinator is still loading or not there yet
                assert!(
                    (14..=16).contains(&e) && t0.elapsed().as_secs_f64() < a.n("timeout"),
                    "InitProducerId: error {e}"
                );
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Producer {
            c: Conn::open(&at[part], poll, i),
            part: part as i32,
            pending: VecDeque::new(),
            pid,
            epoch,
            seq: 0,
            corr: 0,
            turn: i * 977,
        }
    }
    fn send(&mut self, a: &Ctx, b: &[u8], from: Instant) {
        self.corr = self.corr.wrapping_add(1);
        let req = if self.pid >= 0 {
            let mut b = b.to_vec();
            batch::stamp(&mut b, self.pid, self.epoch, self.seq);
            self.seq = self.seq.wrapping_add(a.batch as i32) & i32::MAX;
            wire::produce(self.corr, a.acks, &a.topic, self.part, &b)
        } else {
            wire::produce(self.corr, a.acks, &a.topic, self.part, b)
        };
        self.pending.push_back(from);
        self.c.send(&req);
    }
}

struct Ctx {
    topic: String,
    acks: i16,
    batch: usize,
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Closed loop (--rate 0: every connection keeps --inflight requests out) or open loop (--rate
/// records/s in all, latency counted from the moment each request was due).
pub fn produce(a: &Args) {
    check_versions(a.s("addr"));
    let at = leaders(a);
    let (conns, inflight, n): (usize, usize, usize) = (a.n("connections"), a.n("inflight"), a.n("batch"));
    let cx = Ctx { topic: a.s("topic").into(), acks: a.n("acks"), batch: n };
    assert!(cx.acks != 0, "acks=0 has no answer to time");
    let (size, codec, random) =
        (a.n::<usize>("record-size"), batch::codec(a.s("compression")), a.s("payload") == "random");
    let mut rng = Rng(0x9E37_79B9_7F4A_7C15 ^ now_ms() as u64);
    let templates = (TEMPLATE_BYTES / (n * (size + 16) + batch::HEAD)).clamp(16, 1 << 16);
    let batches: Vec<Vec<u8>> = (0..templates)
        .map(|_| {
            let v: Vec<_> = (0..n).map(|_| batch::payload(&mut rng, size, random)).collect();
            batch::build(v.iter().map(|v| &v[..]), codec, now_ms())
        })
        .collect();

    let mut poll = Poll::new().unwrap();
    let mut ps: Vec<_> = (0..conns).map(|i| Producer::open(a, i, &at, &poll)).collect();
    let (warm, dur): (f64, f64) = (a.n("warmup"), a.n("duration"));
    let (rate, max): (f64, u64) = (a.n("rate"), a.n("max-records"));
    let gap = Duration::from_secs_f64(if rate > 0.0 { n as f64 / rate } else { 0.0 });
    let (mut lat, mut errors, mut requests, mut sent) = (hist(), 0u64, 0u64, 0u64);
    let start = Instant::now();
    let begin = start + Duration::from_secs_f64(warm);
    let end = begin + Duration::from_secs_f64(dur);
    let mut meter: Option<Meter> = None;
    let (mut due, mut rr) = (start, 0);
    if rate == 0.0 {
        for p in &mut ps {
            for _ in 0..inflight {
                p.send(&cx, &batches[p.turn % templates], Instant::now());
                p.turn += 1;
                sent += n as u64;
            }
        }
    }
    let mut ev = Events::with_capacity(1024);
    loop {
        let now = Instant::now();
        if meter.is_none() && now >= begin {
            meter = Some(Meter::start(a));
            requests = 0;
            errors = 0;
        }
        if now >= end || (max > 0 && sent >= max && ps.iter().all(|p| p.pending.is_empty())) {
            break;
        }
        let mut wait = end - now;
        if rate > 0.0 {
            while due <= now && (max == 0 || sent < max) {
                let Some(k) = (0..conns).map(|k| (rr + k) % conns).find(|&k| ps[k].pending.len() < inflight)
                else {
                    break;
                };
                let p = &mut ps[k];
                p.send(&cx, &batches[p.turn % templates], due);
                p.turn += 1;
                sent += n as u64;
                rr = k + 1;
                due += gap;
            }
            wait = wait.min(due.saturating_duration_since(now).max(Duration::from_micros(50)));
        }
        if meter.is_none() {
            wait = wait.min(begin.saturating_duration_since(now));
        }
        poll.poll(&mut ev, Some(wait)).ok();
        for e in ev.iter() {
            let p = &mut ps[e.token().0];
            if e.is_writable() {
                p.c.flush();
            }
            if !e.is_readable() {
                continue;
            }
            let (mut again, pending) = (0, &mut p.pending);
            let mut t = None;
            p.c.recv(|b| {
                let t = *t.get_or_insert_with(Instant::now);
                let from = pending.pop_front().expect("an answer nobody asked for");
                let (err, _) = wire::produce_resp(b);
                if err != 0 {
                    errors += 1;
                    if errors <= 3 {
                        eprintln!("produce: error {err}");
                    }
                } else if meter.is_some() {
                    requests += 1;
                    lat.record((t - from).as_nanos() as u64).ok();
                }
                again += 1;
            });
            if rate == 0.0 {
                for _ in 0..again {
                    if max > 0 && sent >= max {
                        break;
                    }
                    p.send(&cx, &batches[p.turn % templates], Instant::now());
                    p.turn += 1;
                    sent += n as u64;
                }
            }
        }
    }
    let records = requests * n as u64;
    let left: usize = ps.iter().map(|p| p.pending.len()).sum();
    meter.unwrap_or_else(|| Meter::start(a)).report(
        a,
        Done { records, bytes: records * size as u64, requests, errors },
        &lat,
        &format!(",\"unanswered\":{left}"),
    );
    if errors > 0 {
        std::process::exit(1);
    }
}

// ---------------------------------------------------------------- consume

/// Reads the partitions from their starts to the ends they had when the run began; --loop 1 starts
/// over until --duration is up. --decode 1 checks each CRC, decompresses and visits every record.
pub fn consume(a: &Args) {
    check_versions(a.s("addr"));
    let at = leaders(a);
    let conns: usize = a.n::<usize>("connections").min(at.len());
    let all: Vec<i32> = (0..at.len() as i32).collect();
    let offs = |ts| -> HashMap<i32, i64> {
        let mut m = HashMap::new();
        for host in at.iter().collect::<std::collections::BTreeSet<_>>() {
            let ps: Vec<i32> = all.iter().copied().filter(|&p| &at[p as usize] == host).collect();
            m.extend(wire::list_offsets_resp(
                &call(host, &wire::list_offsets(5, a.s("topic"), &ps, ts)).expect("ListOffsets"),
            ));
        }
        m
    };
    let (low, high) = (offs(-2), offs(-1));
    let opts = wire::FetchOpts {
        max_wait: a.n("max-wait"),
        min_bytes: a.n("min-bytes"),
        max_bytes: a.n("fetch-max-bytes"),
        part_max: a.n("partition-max-bytes"),
    };
    struct Reader {
        c: Conn,
        pos: Vec<(i32, i64)>,
        asked: Instant,
        done: bool,
    }
    let mut poll = Poll::new().unwrap();
    // One connection asks for all of its partitions that live on one broker.
    let mut rs = vec![];
    for i in 0..conns {
        let mut by: HashMap<&str, Vec<(i32, i64)>> = HashMap::new();
        for &p in all.iter().filter(|&&p| p as usize % conns == i && high[&p] > low[&p]) {
            by.entry(&at[p as usize]).or_default().push((p, low[&p]));
        }
        for (host, pos) in by {
            let t = rs.len();
            rs.push(Reader { c: Conn::open(host, &poll, t), pos, asked: Instant::now(), done: false });
        }
    }
    assert!(!rs.is_empty(), "nothing to read");
    let ask = |r: &mut Reader| {
        let mut want: Vec<_> = r.pos.iter().copied().filter(|&(p, o)| o < high[&p]).collect();
        if want.is_empty() {
            r.done = true;
            return;
        }
        let turn = want.len() / 2;
        want.rotate_left(turn); // no partition is always first in line for max-bytes
        r.asked = Instant::now();
        let req = wire::fetch(6, &opts, a.s("topic"), &want);
        r.c.send(&req);
    };
    let (decode, again) = (a.n::<u8>("decode") == 1, a.n::<u8>("loop") == 1);
    let (dur, max): (f64, u64) = (a.n("duration"), a.n("max-records"));
    let meter = Meter::start(a);
    let end = Instant::now() + Duration::from_secs_f64(dur);
    let (mut lat, mut tot, mut values, mut fetches, mut passes) =
        (hist(), batch::Walk::default(), 0u64, 0u64, 0u32);
    for r in &mut rs {
        ask(r);
    }
    let mut ev = Events::with_capacity(256);
    let whole = loop {
        let now = Instant::now();
        if rs.iter().all(|r| r.done) {
            passes += 1;
            if !again {
                break true;
            }
            for r in &mut rs {
                for x in &mut r.pos {
                    x.1 = low[&x.0];
                }
                r.done = false;
                ask(r);
            }
        }
        if now >= end || (max > 0 && tot.records >= max) {
            break false;
        }
        poll.poll(&mut ev, Some(end - now)).ok();
        for e in ev.iter() {
            let r = &mut rs[e.token().0];
            if e.is_writable() {
                r.c.flush();
            }
            let (pos, mut got) = (&mut r.pos, false);
            r.c.recv(|b| {
                got = true;
                wire::fetch_resp(b, |p, err, _, recs| {
                    assert_eq!(err, 0, "fetch partition {p}: error {err}");
                    let x = pos.iter_mut().find(|x| x.0 == p).expect("a partition not asked for");
                    let mut each = |v: &[u8]| values += v.len() as u64;
                    let w = batch::walk(recs, x.1, if decode { Some(&mut each) } else { None });
                    x.1 = w.next;
                    tot.records += w.records;
                    tot.batches += w.batches;
                    tot.bytes += w.bytes;
                });
            });
            if got {
                fetches += 1;
                lat.record(r.asked.elapsed().as_nanos() as u64).ok();
                ask(r);
            }
        }
    };
    meter.report(a, Done { records: tot.records, bytes: tot.bytes, requests: fetches, errors: 0 }, &lat,
        &format!(",\"batches\":{},\"wire_bytes\":{},\"bytes_per_record\":{:.1},\"value_bytes\":{values},\"passes\":{passes},\"complete\":{whole}",
            tot.batches, tot.bytes, tot.bytes as f64 / tot.records.max(1) as f64));
}

// ---------------------------------------------------------------- end to end

/// --rate records/s from --connections producers; one consumer connection long-polls all partitions.
/// Each value starts with its due time, so the latency is from due to decoded by the consumer.
pub fn e2e(a: &Args) {
    check_versions(a.s("addr"));
    let at = leaders(a);
    assert!(at.iter().all(|x| *x == at[0]), "e2e reads from one broker only");
    let (conns, size, rate): (usize, usize, f64) =
        (a.n("connections"), a.n::<usize>("record-size").max(8), a.n("rate"));
    assert!(rate > 0.0, "e2e needs --rate");
    let cx = Ctx { topic: a.s("topic").into(), acks: a.n("acks"), batch: 1 };
    let codec = batch::codec(a.s("compression"));
    let opts = wire::FetchOpts {
        max_wait: a.n("max-wait"),
        min_bytes: a.n("min-bytes"),
        max_bytes: a.n("fetch-max-bytes"),
        part_max: a.n("partition-max-bytes"),
    };
    let all: Vec<i32> = (0..at.len() as i32).collect();
    let mut pos = wire::list_offsets_resp(
        &call(&at[0], &wire::list_offsets(5, a.s("topic"), &all, -1)).expect("ListOffsets"),
    );
    let mut poll = Poll::new().unwrap();
    let mut ps: Vec<_> = (0..conns).map(|i| Producer::open(a, i, &at, &poll)).collect();
    let mut cons = Conn::open(&at[0], &poll, conns);
    let filler = batch::payload(&mut Rng(7), size, false);
    let (warm, dur): (f64, f64) = (a.n("warmup"), a.n("duration"));
    let start = Instant::now();
    let begin = start + Duration::from_secs_f64(warm);
    let end = begin + Duration::from_secs_f64(dur);
    let (mut lat, mut ack, mut errors, mut got) = (hist(), hist(), 0u64, 0u64);
    let (mut due, mut rr, gap) = (start, 0, Duration::from_secs_f64(1.0 / rate));
    let mut meter: Option<Meter> = None;
    cons.send(&wire::fetch(6, &opts, &cx.topic, &pos));
    let mut ev = Events::with_capacity(256);
    let (mut sent, mut seen) = (0u64, 0u64);
    loop {
        let now = Instant::now();
        if meter.is_none() && now >= begin {
            meter = Some(Meter::start(a));
        }
        // After the end, wait up to two seconds for what is still on its way.
        if (now >= end && seen >= sent) || now >= end + Duration::from_secs(2) {
            break;
        }
        while due <= now && now < end {
            let Some(k) = (0..conns).map(|k| (rr + k) % conns).find(|&k| ps[k].pending.is_empty()) else {
                break;
            };
            let mut v = filler.clone();
            v[..8].copy_from_slice(&((due - start).as_nanos() as u64).to_be_bytes());
            let b = batch::build(std::iter::once(&v[..]), codec, now_ms());
            ps[k].send(&cx, &b, due);
            rr = k + 1;
            due += gap;
            sent += 1;
        }
        let wait = if now < end { due.saturating_duration_since(now) } else { Duration::from_millis(50) };
        poll.poll(&mut ev, Some(wait)).ok();
        for e in ev.iter() {
            let i = e.token().0;
            if i < conns {
                let p = &mut ps[i];
                if e.is_writable() {
                    p.c.flush();
                }
                let (pending, on) = (&mut p.pending, meter.is_some());
                p.c.recv(|b| {
                    let from = pending.pop_front().expect("an answer nobody asked for");
                    let (err, _) = wire::produce_resp(b);
                    if err != 0 {
                        errors += 1;
                    }
                    if on {
                        ack.record(from.elapsed().as_nanos() as u64).ok();
                    }
                });
                continue;
            }
            if e.is_writable() {
                cons.flush();
            }
            let (mut ask, pos) = (false, &mut pos);
            cons.recv(|b| {
                ask = true;
                wire::fetch_resp(b, |p, err, _, recs| {
                    assert_eq!(err, 0, "fetch partition {p}: error {err}");
                    let x = pos.iter_mut().find(|x| x.0 == p).unwrap();
                    let now = Instant::now();
                    let mut each = |v: &[u8]| {
                        let t = start + Duration::from_nanos(u64::from_be_bytes(v[..8].try_into().unwrap()));
                        seen += 1;
                        if t >= begin {
                            got += 1;
                            lat.record(now.saturating_duration_since(t).as_nanos() as u64).ok();
                        }
                    };
                    let w = batch::walk(recs, x.1, Some(&mut each));
                    x.1 = w.next;
                });
            });
            if ask {
                cons.send(&wire::fetch(6, &opts, &cx.topic, pos));
            }
        }
    }
    let q = |p: f64| ack.value_at_quantile(p) as f64 / 1e3;
    meter.unwrap_or_else(|| Meter::start(a)).report(
        a,
        Done { records: got, bytes: got * size as u64, requests: got, errors },
        &lat,
        &format!(
            ",\"sent\":{sent},\"lost\":{},\"ack_us\":{{\"p50\":{:.0},\"p99\":{:.0},\"p999\":{:.0},\"max\":{:.0}}}",
            sent.saturating_sub(seen),
            q(0.5),
            q(0.99),
            q(0.999),
            ack.max() as f64 / 1e3
        ),
    );
}
