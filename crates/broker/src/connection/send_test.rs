//! Facts about sending answers from files, over a real socket.

use std::io::Read as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use env::disk::{CachedBytes, DiskError, DiskFile};
use storage::partition_log::{LogSlice, SegmentFile};

use super::*;
use crate::memory_pool::MemoryPool;

/// A file of which, one time after the other, nothing, a little or all that is asked for lies in memory.
struct Patchy {
    bytes: Vec<u8>,
    asked: AtomicUsize,
}

impl DiskFile for Patchy {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, DiskError> {
        let rest = &self.bytes[usize::try_from(position).unwrap().min(self.bytes.len())..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn cached(&self, position: u64, len: usize) -> Result<Option<CachedBytes>, DiskError> {
        let len = match self.asked.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => return Ok(None),
            1 => len.min(777),
            _ => len,
        };
        let mut bytes = vec![0; len];
        let count = self.read_at(&mut bytes, position)?;
        bytes.truncate(count);
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()).map(CachedBytes::from))
    }

    fn write_at(&self, _: &[u8], _: u64) -> Result<(), DiskError> {
        unreachable!("a reader writes nothing")
    }

    fn write_at_durable(&self, _: &[u8], _: u64) -> Result<(), DiskError> {
        unreachable!("a reader writes nothing")
    }

    fn sync(&self) -> Result<(), DiskError> {
        unreachable!("a reader writes nothing")
    }

    fn size(&self) -> Result<u64, DiskError> {
        unreachable!("a view knows how much may be read")
    }

    fn set_len(&self, _: u64) -> Result<(), DiskError> {
        unreachable!("a reader writes nothing")
    }

    fn preallocate(&self, _: u64) -> Result<(), DiskError> {
        unreachable!("a reader writes nothing")
    }
}

/// Sends an answer of `slices` to a client, with so much memory for all answers; what that got, and what became of it.
fn sent(slices: Vec<LogSlice>, memory: usize) -> (Vec<u8>, Result<(), String>) {
    env::task::block_on_io_thread(async {
        let listener = env::net::listen("127.0.0.1", 0).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let client = env::spawn_local(env::task::spawn_blocking(move || {
            let mut socket = env::net::connect_blocking(&address, Duration::from_secs(9)).unwrap();
            let mut bytes = Vec::new();
            socket.read_to_end(&mut bytes).unwrap();
            bytes
        }));
        let (stream, peer) = listener.accept().await.unwrap();
        let (read, write) = stream.into_split();
        let connection = Connection::new(peer, (String::new(), 0), write, Rc::default());
        let pool = MemoryPool::new(memory);
        let reads = ColdReads::new(pool.clone());
        let outcome = send(&reads, &connection, Answer::of_slices(slices)).await;
        drop(reads);
        let is_left = pool.take(memory).is_some();
        assert!(is_left, "everything is given back");
        drop((connection, read));
        (client.await.unwrap(), outcome)
    })
    .unwrap()
}

fn file(bytes: &[u8]) -> Arc<SegmentFile> {
    SegmentFile::new(Arc::new(Patchy { bytes: bytes.to_vec(), asked: AtomicUsize::new(0) }))
}

#[test]
fn what_is_in_memory_and_what_is_not_come_together_in_order() {
    // Reads by two threads, short ones, and sockets that take a part: each may lose or repeat bytes of a range.
    let bytes: Vec<u8> = (0..9 << 20).map(|at: usize| (at / 7).to_le_bytes()[0]).collect();
    let range = |position: usize, len| LogSlice::File { file: file(&bytes), position: position as u64, len };
    let memory = LogSlice::Memory {
        base_offset: 1,
        leader_epoch: 2,
        entry_index: 3,
        // More than is written at once, with a range behind it.
        entry_bytes: 1 << 20,
        bytes: vec![7; 1 << 20].into(),
    };
    let mut expected = bytes[5..8 << 20].to_vec();
    memory.copy_into(&mut expected).unwrap();
    expected.extend_from_slice(&bytes[100..200]);
    for memory_max in [1 << 30, 1 << 20, 1] {
        let slices = vec![range(5, (8 << 20) - 5), memory.clone(), range(100, 100)];
        let (got, outcome) = sent(slices, memory_max);
        assert_eq!(outcome, Ok(()));
        assert!(got == expected, "{} bytes of {} came", got.len(), expected.len());
    }
}

#[test]
fn a_segment_that_ends_early_ends_the_connection() {
    // The client was promised more bytes: anything sent in their place would be taken for records.
    let slice = LogSlice::File { file: file(&[1; 1000]), position: 0, len: 1001 };
    let (got, outcome) = sent(vec![slice], 1);
    assert!(got.len() <= 1000 && outcome.unwrap_err().starts_with("a segment ends 1 bytes before"));
}
