//! Bytes that lie: every length at 0, -1 and 2^31 - 1, every truncation, flipped and random bytes, in every version
//! of every message. Each gives an error or a value, and decoding allocates nothing, whatever the bytes claim, except
//! for strings that are not UTF-8.
//!
//! This file has an allocator that counts, which cannot be written without `unsafe`: it hands every call to the
//! system's allocator as it came and adds up sizes in counters of the calling thread.
#![allow(unsafe_code, clippy::cast_possible_truncation)]

mod schema;

use schema::{Mark, Random, all_versions, decode, random_message, recode, varint};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread holds, and the most that it held. Both may wrap: differences are what counts.
    static HELD: Cell<usize> = const { Cell::new(0) };
    static HELD_MAX: Cell<usize> = const { Cell::new(0) };
}

fn add(size: usize) {
    HELD.set(HELD.get().wrapping_add(size));
    HELD_MAX.set(HELD_MAX.get().max(HELD.get()));
}

fn subtract(size: usize) {
    HELD.set(HELD.get().wrapping_sub(size));
}

struct Counting;

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        subtract(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        subtract(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` held at once.
fn held_max<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    HELD_MAX.set(before);
    let result = work();
    (result, HELD_MAX.get() - before)
}

/// Decodes; when that gives a value, also reads all of it by writing it again.
///
/// Returns whether the bytes were refused.
fn refused(name: &str, bytes: &[u8], version: i16, what: impl Fn() -> String) -> bool {
    let (decoded, held) = held_max(|| decode(name, bytes, version));
    // A string that is not UTF-8 grows to three times its bytes; while its room is doubled, both rooms are held.
    assert!(
        held <= 6 * bytes.len(),
        "{name} version {version}: decoding {} bytes held {held}, {}",
        bytes.len(),
        what()
    );
    if decoded.is_ok() {
        let recoded = recode(name, bytes, version).expect("decoded a moment ago");
        assert!(
            recoded.len() <= 3 * bytes.len(),
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
fn every_length_that_lies_is_refused_or_read_in_bounded_memory() {
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

// One allocation for each request would cost more than the rest of reading it.
#[test]
fn honest_messages_are_decoded_without_an_allocation() {
    for (message, version) in all_versions() {
        for seed in 0..12 {
            let bytes = random_message(message, version, seed, true).bytes;
            let (decoded, held) = held_max(|| decode(message.name, &bytes, version));
            assert_eq!((decoded, held), (Ok(()), 0), "{} version {version} seed {seed}", message.name);
        }
    }
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
