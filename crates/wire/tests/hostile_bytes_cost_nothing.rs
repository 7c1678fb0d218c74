//! Bytes that lie: every length at 0, -1 and 2^31 - 1, every truncation, flipped and random bytes, in every version
//! of every message. Each gives an error or a value, and decoding never allocates, whatever the bytes claim.
//!
//! This file has an allocator that counts, which cannot be written without `unsafe`: it hands every call to the
//! system's allocator as it came and adds one to a counter of the calling thread.
#![allow(unsafe_code, clippy::cast_possible_truncation)]

mod schema;

use schema::{Mark, Random, all_versions, decode, random_message, recode, varint};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Decodes; when that gives a value, also reads all of it by writing it again.
///
/// Returns whether the bytes were refused.
fn refused(name: &str, bytes: &[u8], version: i16, what: impl Fn() -> String) -> bool {
    let before = ALLOCATIONS.get();
    let decoded = decode(name, bytes, version);
    let allocations = ALLOCATIONS.get() - before;
    assert_eq!(allocations, 0, "{name} version {version}: decoding allocated, {}", what());
    if decoded.is_ok() {
        let recoded = recode(name, bytes, version).expect("decoded a moment ago");
        assert!(
            recoded.len() <= bytes.len(),
            "{name} version {version}: {} bytes became {}, {}",
            bytes.len(),
            recoded.len(),
            what()
        );
    }
    decoded.is_err()
}

/// The bytes with another number where `mark` is.
fn with_lie(bytes: &[u8], mark: Mark, lie: u32) -> Vec<u8> {
    let replaced = match (mark.varint, mark.size) {
        (true, _) => varint(lie),
        (false, 2) => (lie as u16).to_be_bytes().to_vec(),
        (false, _) => lie.to_be_bytes().to_vec(),
    };
    [&bytes[..mark.at], &replaced, &bytes[mark.at + mark.size..]].concat()
}

// The numbers that have broken decoders: an empty or null where something must be, and an allocation of 2 GiB.
#[test]
fn every_length_that_lies_is_refused_or_read_without_allocating() {
    let lies = [0, 1, 0x7fff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let (mut lengths, mut refusals) = (0, 0);
    for (message, version) in all_versions() {
        for seed in 0..12 {
            let random = random_message(message, version, seed, true);
            for mark in random.marks {
                for lie in lies {
                    let bytes = with_lie(&random.bytes, mark, lie);
                    let what = || format!("seed {seed}, {lie:#x} at {mark:?}");
                    lengths += 1;
                    refusals += u64::from(refused(message.name, &bytes, version, what));
                    // And as the last that was sent, so that nothing behind it makes up for the lie.
                    let end = mark.at + if mark.varint { varint(lie).len() } else { mark.size };
                    refused(message.name, &bytes[..end], version, what);
                }
            }
        }
    }
    assert!(refusals * 2 > lengths, "{refusals} of {lengths} lies were refused: they hit the wrong bytes");
}

// A length that is checked against the frame must be checked against what is left of it, at every byte.
#[test]
fn every_truncation_is_refused() {
    for (message, version) in all_versions() {
        for seed in 0..8 {
            let bytes = random_message(message, version, seed, true).bytes;
            for end in 0..bytes.len() {
                let what = || format!("seed {seed}, the first {end} of {} bytes", bytes.len());
                assert!(
                    refused(message.name, &bytes[..end], version, what),
                    "{} version {version} was read from {}",
                    message.name,
                    what()
                );
            }
        }
    }
}

#[test]
fn bytes_after_the_message_are_refused() {
    for (message, version) in all_versions() {
        let mut bytes = random_message(message, version, 1, true).bytes;
        bytes.push(0);
        assert!(
            refused(message.name, &bytes, version, || "one byte more".into()),
            "{} {version}",
            message.name
        );
    }
}

#[test]
fn prop_flipped_and_random_bytes_give_an_error_or_a_value() {
    for (message, version) in all_versions() {
        for seed in 0..60 {
            let mut random = Random(seed);
            let mut bytes = random_message(message, version, seed, true).bytes;
            for _ in 0..=random.below(4) {
                if let Some(at) = random.next().checked_rem(bytes.len() as u64) {
                    bytes[at as usize] ^= 1 << random.below(8);
                }
            }
            refused(message.name, &bytes, version, || format!("seed {seed}, flipped"));
            let length = random.below(100);
            let bytes: Vec<u8> = (0..length).map(|_| (random.next() >> random.below(64)) as u8).collect();
            refused(message.name, &bytes, version, || format!("seed {seed}, random"));
        }
    }
}
