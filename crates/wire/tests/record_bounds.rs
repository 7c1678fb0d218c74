//! Checking a batch costs bounded memory, and none at all for an uncompressed one.
//!
//! `unsafe` is for the counting allocator alone: it forwards every call unchanged to the system's.
#![allow(clippy::unwrap_used, unsafe_code, clippy::disallowed_methods)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wire::ErrorCode;
use wire::record::codec::{Codec, Compression, Compressor};
use wire::record::header::{BATCH_LENGTH_AT, HEADER_BYTES, seal};
use wire::record::{BatchError, BatchHeader, Builder, Limits, Scratch, read, validate};

struct Counting;

thread_local! {
    /// Allocations of this thread, so that tests running beside it do not count.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to `System` with the same arguments; the counter neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIB: usize = 1 << 20;

/// A batch in `codec` whose one record claims a value of 2 GiB, followed by `data`.
fn bomb(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut builder = Builder::new(Compression::from(codec));
    builder.append(1, None, None, &[]).unwrap();
    let mut batch = builder.finish().unwrap();
    batch.truncate(HEADER_BYTES);
    batch.extend_from_slice(data);
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[BATCH_LENGTH_AT..BATCH_LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
    seal(&mut batch).unwrap();
    batch
}

/// Length i32::MAX, attributes, both deltas 0, null key, value length i32::MAX − 20.
const RECORD_FRONT: [u8; 14] = [0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 0xd6, 0xff, 0xff, 0xff, 0x0f];

fn compressed(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compressor::default().compress(Compression::from(codec), data, &mut out).unwrap();
    out
}

/// About a mebibyte that expands as far as the codec can.
fn bomb_data(codec: Codec) -> Vec<u8> {
    let mut data = compressed(codec, &RECORD_FRONT);
    match codec {
        // Its blocks are of one frame: take the end mark off, repeat a block, put it on again.
        Codec::Lz4 => {
            data.truncate(data.len() - 4);
            let zeros = compressed(codec, &vec![0; 64 << 10]);
            let block = &zeros[7..zeros.len() - 4];
            data.extend(block.repeat(MIB / block.len()));
            data.extend_from_slice(&[0; 4]);
        }
        _ => {
            let zeros = compressed(codec, &vec![0; 8 * MIB]);
            data.extend(zeros.repeat((MIB / zeros.len()).max(1)));
        }
    }
    data
}

#[cfg(target_os = "linux")]
mod resident {
    //! The process's peak of resident memory, which also sees what C libraries ask for.

    fn peak_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
    }

    /// How far the peak rises above what is resident now while `work` runs.
    pub(super) fn growth_bytes(work: impl FnOnce()) -> usize {
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = peak_bytes();
        work();
        peak_bytes() - before
    }
}

/// All bombs in one test: resident memory is the process's.
#[cfg(target_os = "linux")]
#[test]
fn bombs_are_refused_in_bounded_memory() {
    let limits = Limits { batch_bytes_max: 16 * MIB, ..Limits::default() };
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let batch = bomb(codec, &bomb_data(codec));
        let mut scratch = Scratch::default();
        let mut refused = None;
        let growth = resident::growth_bytes(|| {
            refused = validate(&batch, &limits, &mut scratch).err();
        });
        // Snappy can't expand a mebibyte to the bound, so its record is just not there.
        let code =
            if codec == Codec::Snappy { ErrorCode::INVALID_RECORD } else { ErrorCode::MESSAGE_TOO_LARGE };
        assert_eq!(refused.unwrap().code(), code, "{codec}");
        assert!(growth < 6 * MIB, "{codec}: {growth} bytes");
        assert!(scratch.retained_bytes() < 5 * MIB, "{codec}: {}", scratch.retained_bytes());

        // A reader has to hold what it reads, but no more than it allows.
        let limits = Limits { decompressed_bytes_max: 8 * MIB, ..limits };
        let growth = resident::growth_bytes(|| {
            assert!(read(&batch, &limits).is_err_and(|e| e.code() == ErrorCode::MESSAGE_TOO_LARGE));
        });
        assert!(growth < 32 * MIB, "{codec}: {growth} bytes");
    }
    wide_zstd_windows_are_given_back();
}

/// A window of 128 MiB is allowed by default, and used only as far as bytes come out.
#[cfg(target_os = "linux")]
fn wide_zstd_windows_are_given_back() {
    // Magic, no content size, window 2^27, then raw-run blocks: 128 KiB of zeros in 4 bytes each.
    let mut data = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3];
    let front = u32::try_from(RECORD_FRONT.len()).unwrap() << 3;
    data.extend_from_slice(&front.to_le_bytes()[..3]);
    data.extend_from_slice(&RECORD_FRONT);
    let run: u32 = (128 << 10) << 3 | 0b010;
    let [a, b, c, _] = run.to_le_bytes();
    for _ in 0..16 * 8 {
        data.extend_from_slice(&[a, b, c, 0]);
    }
    let batch = bomb(Codec::Zstd, &data);
    let mut scratch = Scratch::default();
    let growth = resident::growth_bytes(|| {
        assert!(validate(&batch, &Limits::default(), &mut scratch).is_err());
    });
    assert!(growth < 24 * MIB, "16 MiB come out: {growth} bytes");
    assert!(scratch.retained_bytes() < MIB, "{}", scratch.retained_bytes());

    let narrow = Limits { zstd_window_log_max: 23, ..Limits::default() };
    let refused = validate(&batch, &narrow, &mut scratch).unwrap_err();
    assert!(matches!(refused, BatchError::Undecodable { .. }), "{refused}");
}

#[test]
fn lengths_inside_the_data_allocate_nothing() {
    // A bare snappy block that says 4 GiB, a zstd frame that says 2^60, an lz4 frame with blocks of 4 MiB.
    let snappy = bomb(Codec::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    zstd.extend_from_slice(&(1u64 << 60).to_le_bytes());
    let zstd = bomb(Codec::Zstd, &[zstd.as_slice(), &[1, 0, 0]].concat());
    for batch in [snappy, zstd] {
        let mut scratch = Scratch::default();
        let refused = validate(&batch, &Limits::default(), &mut scratch).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::INVALID_RECORD, "{refused}");
        assert!(scratch.retained_bytes() < MIB);
    }
}

#[test]
fn an_uncompressed_batch_is_checked_without_an_allocation() {
    let mut builder = Builder::new(Compression::NONE);
    for _ in 0..10 {
        builder.append(1, Some(b"key"), Some(&[7; 100]), &[]).unwrap();
    }
    let batch = builder.finish().unwrap();
    let mut scratch = Scratch::default();
    let before = ALLOCATIONS.get();
    validate(&batch, &Limits::default(), &mut scratch).unwrap();
    assert_eq!(ALLOCATIONS.get(), before);
}

#[test]
fn a_compressed_batch_is_checked_without_an_allocation_once_its_codec_is_warm() {
    for codec in Codec::ALL {
        let mut builder = Builder::new(Compression::from(codec));
        builder.append(1, Some(b"key"), Some(&[7; 1000]), &[]).unwrap();
        let batch = builder.finish().unwrap();
        let mut scratch = Scratch::default();
        validate(&batch, &Limits::default(), &mut scratch).unwrap();
        let before = ALLOCATIONS.get();
        validate(&batch, &Limits::default(), &mut scratch).unwrap();
        assert_eq!(ALLOCATIONS.get(), before, "{codec}");
    }
}

#[test]
fn a_count_that_lies_costs_no_more_than_its_bytes() {
    let mut builder = Builder::new(Compression::NONE);
    builder.append(1, None, None, &[]).unwrap();
    let mut batch = builder.finish().unwrap();
    let mut header = BatchHeader::parse(&batch).unwrap();
    (header.record_count, header.last_offset_delta) = (i32::MAX, i32::MAX - 1);
    header.write(&mut batch).unwrap();
    seal(&mut batch).unwrap();
    let before = ALLOCATIONS.get();
    assert!(validate(&batch, &Limits::default(), &mut Scratch::default()).is_err());
    assert!(read(&batch, &Limits::default()).unwrap().iter().any(|record| record.is_err()));
    assert_eq!(ALLOCATIONS.get(), before);
}
