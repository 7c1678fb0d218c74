//! ceiling: the bare group-commit server, the upper bound that the broker is measured against.
//!
//! Answers ApiVersions, Metadata and Produce v9 and nothing else; group-commits everything pending into one append
//! and fdatasync, done by a second thread so that the next group gathers meanwhile. It trusts its only client,
//! kloadgen: malformed input ends the process. Its code is a yardstick: changing it changes every figure.
//!
//! `ceiling PORT PARTITIONS FILE MODE SYNC ALLOC PIPE`, with MODE raw, merge, lz4 or zstd, SYNC 0 or 1, ALLOC grow or
//! pre (a 256 MiB ring written beforehand), PIPE 0 (sync inline) or 1 (on a thread).
use std::collections::HashMap;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;

fn uvar(b: &[u8], p: &mut usize) -> u64 {
    let (mut v, mut s) = (0u64, 0);
    loop {
        let x = b[*p];
        *p += 1;
        v |= ((x & 127) as u64) << s;
        if x < 128 {
            return v;
        }
        s += 7
    }
}
fn zz(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}
fn puv(o: &mut Vec<u8>, mut v: u64) {
    while v >= 128 {
        o.push(v as u8 | 128);
        v >>= 7
    }
    o.push(v as u8)
}
fn pzz(o: &mut Vec<u8>, v: i64) {
    puv(o, ((v << 1) ^ (v >> 63)) as u64)
}
fn vlen(v: i64) -> usize {
    let mut u = ((v << 1) ^ (v >> 63)) as u64;
    let mut n = 1;
    while u >= 128 {
        u >>= 7;
        n += 1
    }
    n
}

struct Conn {
    fd: i32,
    inp: Vec<u8>,
    have: usize,
}
struct Req {
    fd: i32,
    corr: [u8; 4],
    topic: Vec<u8>,
    part: i32,
    base: i64,
}
#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    reqs: Vec<Req>,
    recs: HashMap<i32, (Vec<u8>, i64, i64, i64)>,
} // recs: bytes, first offset, count, base ts

fn seal(hdr_at: usize, o: &mut [u8]) {
    let l = (o.len() - hdr_at - 12) as i32;
    o[hdr_at + 8..hdr_at + 12].copy_from_slice(&l.to_be_bytes());
    let c = crc32c::crc32c(&o[hdr_at + 21..]);
    o[hdr_at + 17..hdr_at + 21].copy_from_slice(&c.to_be_bytes())
}

fn finish(g: &mut Group, mode: u8) {
    if mode == 0 {
        return;
    }
    for (_p, (recs, first, n, ts)) in g.recs.drain() {
        let at = g.bytes.len();
        let o = &mut g.bytes;
        o.extend(first.to_be_bytes());
        o.extend([0; 4]);
        o.extend((-1i32).to_be_bytes());
        o.push(2);
        o.extend([0; 4]);
        let codec: i16 = match mode {
            2 => 3,
            3 => 4,
            _ => 0,
        };
        o.extend(codec.to_be_bytes());
        o.extend((n as i32 - 1).to_be_bytes());
        o.extend(ts.to_be_bytes());
        o.extend(ts.to_be_bytes());
        o.extend((-1i64).to_be_bytes());
        o.extend((-1i16).to_be_bytes());
        o.extend((-1i32).to_be_bytes());
        o.extend((n as i32).to_be_bytes());
        match mode {
            1 => o.extend(&recs),
            2 => {
                let mut e = lz4_flex::frame::FrameEncoder::new(&mut *o);
                e.write_all(&recs).unwrap();
                e.finish().unwrap();
            }
            _ => {
                let z = ZC.with(|c| c.borrow_mut().compress(&recs).unwrap());
                o.extend(z)
            }
        }
        seal(at, o);
    }
}
thread_local! { static ZC: std::cell::RefCell<zstd::bulk::Compressor<'static>> = std::cell::RefCell::new(zstd::bulk::Compressor::new(1).unwrap()); }

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let port: u16 = a[1].parse().unwrap();
    let parts: i32 = a[2].parse().unwrap();
    let mode = match &a[4][..] {
        "raw" => 0u8,
        "merge" => 1,
        "lz4" => 2,
        _ => 3,
    };
    let sync = a[5] == "1";
    let pre = a[6] == "pre";
    let pipe = a[7] == "1";
    let f =
        std::fs::OpenOptions::new().create(true).read(true).write(true).truncate(true).open(&a[3]).unwrap();
    const RING: u64 = 256 << 20;
    if pre {
        let z = vec![1u8; 1 << 20];
        for i in 0..256 {
            f.write_all_at(&z, i << 20).unwrap()
        }
        f.sync_all().unwrap();
    }
    let l = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    l.set_nonblocking(true).unwrap();
    unsafe {
        let ep = libc::epoll_create1(0);
        let add = |fd: i32, tok: u64| {
            let mut e = libc::epoll_event { events: libc::EPOLLIN as u32, u64: tok };
            libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, fd, &mut e);
        };
        add(l.as_raw_fd(), u64::MAX);
        let evfd = libc::eventfd(0, libc::EFD_NONBLOCK);
        add(evfd, u64::MAX - 1);
        let (tx, rx) = mpsc::channel::<Group>();
        let (dtx, drx) = mpsc::channel::<Group>();
        let fp = f.as_raw_fd();
        let mut off = 0u64;
        let mut commit = move |g: &mut Group| {
            finish(g, mode);
            if pre && off + g.bytes.len() as u64 > RING {
                off = 0
            }
            let n = libc::pwrite(fp, g.bytes.as_ptr().cast(), g.bytes.len(), off as i64);
            assert_eq!(n as usize, g.bytes.len());
            off += g.bytes.len() as u64;
            if sync {
                libc::fdatasync(fp);
            }
        };
        let mut inline = None;
        if pipe {
            std::thread::spawn(move || {
                for mut g in rx {
                    commit(&mut g);
                    dtx.send(g).unwrap();
                    let one = 1u64;
                    libc::write(evfd, (&one as *const u64).cast(), 8);
                }
            });
        } else {
            inline = Some(commit)
        }
        let mut conns: Vec<Option<Conn>> = vec![];
        let mut ev: Vec<libc::epoll_event> = vec![std::mem::zeroed(); 1024];
        let mut next: Vec<i64> = vec![0; parts as usize];
        let mut cur = Group::default();
        let mut spare: Vec<Group> = vec![];
        let mut busy = false;
        let (mut groups, mut total, mut bytes) = (0u64, 0u64, 0u64);
        let mut out = vec![];
        loop {
            let n = libc::epoll_wait(ep, ev.as_mut_ptr(), 1024, -1);
            let mut done: Option<Group> = None;
            // Interrupted by SIGSTOP and SIGCONT between two measurements: no event.
            for e in &ev[..n.max(0) as usize] {
                let tok = e.u64;
                if tok == u64::MAX {
                    while let Ok((s, _)) = l.accept() {
                        s.set_nodelay(true).unwrap();
                        s.set_nonblocking(true).unwrap();
                        let fd = std::os::fd::IntoRawFd::into_raw_fd(s);
                        add(fd, conns.len() as u64);
                        conns.push(Some(Conn { fd, inp: vec![0; 65536], have: 0 }));
                    }
                    continue;
                }
                if tok == u64::MAX - 1 {
                    let mut x = 0u64;
                    libc::read(evfd, (&mut x as *mut u64).cast(), 8);
                    if let Ok(g) = drx.try_recv() {
                        done = Some(g);
                    }
                    continue;
                }
                let c = conns[tok as usize].as_mut().unwrap();
                if c.inp.len() - c.have < 4096 {
                    let n = c.inp.len() * 2;
                    c.inp.resize(n, 0)
                }
                let r = libc::read(c.fd, c.inp.as_mut_ptr().add(c.have).cast(), c.inp.len() - c.have);
                if r <= 0 {
                    if r == 0 {
                        libc::close(c.fd);
                        conns[tok as usize] = None;
                        if conns.iter().all(|c| c.is_none()) && total > 0 {
                            eprintln!(
                                "groups {groups} reqs {total} per group {:.1} bytes/req {:.1}",
                                total as f64 / groups as f64,
                                bytes as f64 / total as f64
                            );
                            groups = 0;
                            total = 0;
                            bytes = 0;
                        }
                    }
                    continue;
                }
                c.have += r as usize;
                let mut p = 0;
                while c.have - p >= 4 {
                    let len = u32::from_be_bytes(c.inp[p..p + 4].try_into().unwrap()) as usize;
                    if c.have - p < 4 + len {
                        if c.inp.len() < len + 4 {
                            c.inp.resize(len + 4096, 0)
                        }
                        break;
                    }
                    let b = &c.inp[p + 4..p + 4 + len];
                    p += 4 + len;
                    let key = i16::from_be_bytes([b[0], b[1]]);
                    let corr: [u8; 4] = b[4..8].try_into().unwrap();
                    let cl = i16::from_be_bytes([b[8], b[9]]).max(0) as usize;
                    let mut q = 10 + cl + 1;
                    if key == 0 {
                        q += uvar(b, &mut q).saturating_sub(1) as usize;
                        q += 6;
                        uvar(b, &mut q);
                        let tl = uvar(b, &mut q) as usize - 1;
                        let topic = b[q..q + tl].to_vec();
                        q += tl;
                        uvar(b, &mut q);
                        let part = i32::from_be_bytes(b[q..q + 4].try_into().unwrap());
                        q += 4;
                        let bl = uvar(b, &mut q) as usize - 1;
                        let batch = &b[q..q + bl];
                        let crc = u32::from_be_bytes(batch[17..21].try_into().unwrap());
                        assert_eq!(crc, crc32c::crc32c(&batch[21..]));
                        let cnt = i32::from_be_bytes(batch[57..61].try_into().unwrap()) as i64;
                        let base = next[part as usize];
                        next[part as usize] += cnt;
                        if mode == 0 || batch[22] & 7 != 0 {
                            let at = cur.bytes.len();
                            cur.bytes.extend(batch);
                            cur.bytes[at..at + 8].copy_from_slice(&base.to_be_bytes());
                        } else {
                            let ts = i64::from_be_bytes(batch[27..35].try_into().unwrap());
                            let e = cur.recs.entry(part).or_insert_with(|| (vec![], base, 0, ts));
                            let mut p = 61;
                            for _ in 0..cnt {
                                let rl = zz(uvar(batch, &mut p)) as usize;
                                let end = p + rl;
                                p += 1;
                                let td = zz(uvar(batch, &mut p));
                                let _ = uvar(batch, &mut p);
                                let td = td + ts - e.3;
                                let rest = &batch[p..end];
                                pzz(&mut e.0, (1 + vlen(td) + vlen(e.2) + rest.len()) as i64);
                                e.0.push(0);
                                pzz(&mut e.0, td);
                                pzz(&mut e.0, e.2);
                                e.0.extend(rest);
                                e.2 += 1;
                                p = end
                            }
                        }
                        cur.reqs.push(Req { fd: c.fd, corr, topic, part, base });
                    } else {
                        out.clear();
                        out.extend([0; 4]);
                        out.extend(corr);
                        if key == 18 {
                            out.extend([0, 0]);
                            let v = [(0i16, 9i16), (1, 12), (2, 6), (3, 9), (18, 3)];
                            puv(&mut out, 6);
                            for (k, m) in v {
                                out.extend(k.to_be_bytes());
                                out.extend([0, 0]);
                                out.extend(m.to_be_bytes());
                                out.push(0)
                            }
                            out.extend([0; 5]);
                        } else {
                            // metadata
                            let nt = uvar(b, &mut q);
                            out.push(0);
                            out.extend([0; 4]);
                            puv(&mut out, 2);
                            out.extend(1i32.to_be_bytes());
                            puv(&mut out, 10);
                            out.extend(b"127.0.0.1");
                            out.extend((port as i32).to_be_bytes());
                            out.extend([0, 0, 0]);
                            out.extend(1i32.to_be_bytes());
                            if nt > 1 {
                                let tl = uvar(b, &mut q) as usize;
                                puv(&mut out, 2);
                                out.extend([0, 0]);
                                puv(&mut out, tl as u64);
                                out.extend(&b[q..q + tl - 1]);
                                out.push(0);
                                puv(&mut out, parts as u64 + 1);
                                for i in 0..parts {
                                    out.extend([0, 0]);
                                    out.extend(i.to_be_bytes());
                                    out.extend(1i32.to_be_bytes());
                                    out.extend([0; 4]);
                                    out.extend([1, 1, 1, 0])
                                }
                                out.extend([0; 5]);
                            } else {
                                puv(&mut out, 1)
                            }
                            out.extend([0; 5]);
                        }
                        let n = (out.len() - 4) as u32;
                        out[..4].copy_from_slice(&n.to_be_bytes());
                        libc::write(c.fd, out.as_ptr().cast(), out.len());
                    }
                }
                c.inp.copy_within(p..c.have, 0);
                c.have -= p;
            }
            let mut reply = |g: &mut Group, out: &mut Vec<u8>| {
                groups += 1;
                total += g.reqs.len() as u64;
                bytes += g.bytes.len() as u64;
                for r in g.reqs.drain(..) {
                    out.clear();
                    out.extend([0; 4]);
                    out.extend(r.corr);
                    out.push(0);
                    out.push(2);
                    puv(out, r.topic.len() as u64 + 1);
                    out.extend(&r.topic);
                    out.push(2);
                    out.extend(r.part.to_be_bytes());
                    out.extend([0, 0]);
                    out.extend(r.base.to_be_bytes());
                    out.extend([255; 8]);
                    out.extend([0; 8]);
                    out.extend([1, 0, 0, 0]);
                    out.extend([0; 5]);
                    let n = (out.len() - 4) as u32;
                    out[..4].copy_from_slice(&n.to_be_bytes());
                    libc::write(r.fd, out.as_ptr().cast(), out.len());
                }
                g.bytes.clear();
            };
            if let Some(mut g) = done {
                busy = false;
                if !cur.reqs.is_empty() {
                    let nx = std::mem::replace(&mut cur, spare.pop().unwrap_or_default());
                    tx.send(nx).unwrap();
                    busy = true;
                } // start the next sync before replying
                reply(&mut g, &mut out);
                spare.push(g);
            }
            if !cur.reqs.is_empty() && !busy {
                if let Some(c) = &mut inline {
                    c(&mut cur);
                    let mut g = std::mem::take(&mut cur);
                    reply(&mut g, &mut out);
                    cur = g
                } else {
                    let nx = std::mem::replace(&mut cur, spare.pop().unwrap_or_default());
                    tx.send(nx).unwrap();
                    busy = true
                }
            }
        }
    }
}
