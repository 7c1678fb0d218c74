//! Record batches, magic 2: building them, and walking what a fetch returns.
use crate::wire::{R, W};
use std::io::{Read, Write};

pub const HEAD: usize = 61;

pub fn codec(name: &str) -> i16 {
    match name {
        "none" => 0,
        "gzip" => 1,
        "snappy" => 2,
        "lz4" => 3,
        "zstd" => 4,
        o => panic!("unknown compression {o}"),
    }
}

fn compress(codec: i16, b: &[u8]) -> Vec<u8> {
    match codec {
        0 => b.to_vec(),
        1 => {
            let mut e = flate2::write::GzEncoder::new(vec![], flate2::Compression::new(6));
            e.write_all(b).unwrap();
            e.finish().unwrap()
        }
        2 => snap::raw::Encoder::new().compress_vec(b).unwrap(),
        3 => {
            let mut e = lz4_flex::frame::FrameEncoder::new(vec![]);
            e.write_all(b).unwrap();
            e.finish().unwrap()
        }
        _ => zstd::bulk::compress(b, 3).unwrap(),
    }
}

fn decompress(codec: i16, b: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    match codec {
        1 => {
            flate2::read::MultiGzDecoder::new(b).read_to_end(&mut out).unwrap();
        }
        2 if b.starts_with(b"\x82SNAPPY\0") => {
            // the Java client's block framing
            let mut p = 16;
            while p + 4 <= b.len() {
                let n = u32::from_be_bytes(b[p..p + 4].try_into().unwrap()) as usize;
                out.extend(snap::raw::Decoder::new().decompress_vec(&b[p + 4..p + 4 + n]).unwrap());
                p += 4 + n;
            }
        }
        2 => out = snap::raw::Decoder::new().decompress_vec(b).unwrap(),
        3 => {
            lz4_flex::frame::FrameDecoder::new(b).read_to_end(&mut out).unwrap();
        }
        _ => out = zstd::stream::decode_all(b).unwrap(),
    }
    out
}

pub fn build<'a>(values: impl Iterator<Item = &'a [u8]>, codec: i16, now_ms: i64) -> Vec<u8> {
    let (mut recs, mut n) = (W::default(), 0i64);
    for v in values {
        let mut r = W::default();
        r.i8(0).varint(0).varint(n).varint(-1).varint(v.len() as i64);
        r.0.extend(v);
        r.varint(0);
        recs.varint(r.0.len() as i64).0.extend(&r.0);
        n += 1;
    }
    let body = compress(codec, &recs.0);
    let mut w = W::default();
    w.i64(0).i32((HEAD - 12 + body.len()) as i32).i32(-1).i8(2).i32(0);
    w.i16(codec).i32(n as i32 - 1).i64(now_ms).i64(now_ms).i64(-1).i16(-1).i32(-1).i32(n as i32);
    w.0.extend(body);
    seal(&mut w.0);
    w.0
}

/// Stamps an idempotent producer's identity into a built batch.
pub fn stamp(b: &mut [u8], pid: i64, epoch: i16, seq: i32) {
    b[43..51].copy_from_slice(&pid.to_be_bytes());
    b[51..53].copy_from_slice(&epoch.to_be_bytes());
    b[53..57].copy_from_slice(&seq.to_be_bytes());
    seal(b);
}

fn seal(b: &mut [u8]) {
    let c = crc32c::crc32c(&b[21..]);
    b[17..21].copy_from_slice(&c.to_be_bytes());
}

/// Called with every value.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8]);

#[derive(Default, Clone, Copy)]
pub struct Walk {
    pub batches: u64,
    pub records: u64,
    pub next: i64,
    pub bytes: u64,
}

/// Walks whole batches from `from`; with `each`, checks the CRC, decompresses and hands over every value.
pub fn walk(mut b: &[u8], from: i64, mut each: Option<Visit>) -> Walk {
    let mut w = Walk { next: from, ..Default::default() };
    while b.len() >= HEAD {
        let mut h = R::new(b);
        let (base, len) = (h.i64(), h.i32() as usize + 12);
        if b.len() < len {
            break;
        }
        let last = i32::from_be_bytes(b[23..27].try_into().unwrap()) as i64;
        let count = i32::from_be_bytes(b[57..61].try_into().unwrap()) as u64;
        let next = base + last + 1;
        if next > w.next {
            // A broker may answer with a batch that starts before the offset asked for.
            w.records += count.min((next - w.next) as u64);
            w.batches += 1;
            w.bytes += len as u64;
            if let Some(f) = each.as_deref_mut() {
                values(&b[..len], count, base, w.next, f);
            }
            w.next = next;
        }
        b = &b[len..];
    }
    w
}

fn values(b: &[u8], count: u64, base: i64, from: i64, f: &mut dyn FnMut(&[u8])) {
    let crc = u32::from_be_bytes(b[17..21].try_into().unwrap());
    assert_eq!(crc, crc32c::crc32c(&b[21..]), "bad CRC at offset {base}");
    let codec = i16::from_be_bytes(b[21..23].try_into().unwrap()) & 7;
    let plain;
    let body = if codec == 0 {
        &b[HEAD..]
    } else {
        plain = decompress(codec, &b[HEAD..]);
        &plain
    };
    let mut r = R::new(body);
    for _ in 0..count {
        let end = r.varint() as usize + r.p;
        r.i8();
        r.varint();
        let off = base + r.varint();
        let k = r.varint();
        r.take(k.max(0) as usize);
        let v = r.varint();
        let v = r.take(v.max(0) as usize);
        if off >= from {
            f(v);
        }
        r.p = end;
    }
}

/// JSON-like text (or random bytes) of exactly `len`: repeated field names, varied values.
pub fn payload(rng: &mut Rng, len: usize, random: bool) -> Vec<u8> {
    if random {
        return (0..len).map(|_| rng.next() as u8).collect();
    }
    let mut s = String::with_capacity(len + 64);
    s.push('{');
    let names = ["user_id", "session", "event", "path", "status", "latency_us", "region", "amount"];
    let words = ["click", "view", "purchase", "eu-west-1", "us-east-2", "/api/v1/items/", "ok", "retry"];
    while s.len() < len {
        let n = names[rng.next() as usize % names.len()];
        match rng.next() % 3 {
            0 => s += &format!("\"{n}\":{},", rng.next() % 1_000_000),
            1 => s += &format!("\"{n}\":\"{}\",", words[rng.next() as usize % words.len()]),
            _ => s += &format!("\"{n}\":\"{:012x}\",", rng.next() & 0xffff_ffff_ffff),
        }
    }
    s.truncate(len.saturating_sub(1));
    if len > 0 {
        s.push('}');
    }
    s.into_bytes()
}

/// xorshift64*: repeatable payloads without a dependency.
pub struct Rng(pub u64);
impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }
}
