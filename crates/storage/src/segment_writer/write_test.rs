use std::path::PathBuf;

use env::disk::{Access, BLOCK_BYTES, Caching, Disk, RealDisk};

use super::write::{DIRECT_BYTES_MIN, WriteBuffer};

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 31 + seed) % 251).unwrap()).collect()
}

struct TestDir(PathBuf);

impl TestDir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("takhin-write-{name}-{}", std::process::id()));
        RealDisk.create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        for name in RealDisk.list(&self.0).unwrap_or_default() {
            let _ = RealDisk.remove(&self.0.join(name));
        }
        let _ = RealDisk.remove_dir(&self.0);
    }
}

// Cached and direct writes of one file meet inside a block: whichever way a run goes, the file must be the same, whatever the
// positions are relative to blocks.
#[test]
fn a_file_is_the_same_whichever_way_its_runs_were_written() {
    let dir = TestDir::new("either-way");
    let path = dir.0.join("segment");
    let file = RealDisk.open(&path, Access::CreateNew, Caching::Cached).unwrap();
    let lens = [
        100,
        DIRECT_BYTES_MIN + 1,
        BLOCK_BYTES - 101,
        DIRECT_BYTES_MIN,
        DIRECT_BYTES_MIN + 7 * BLOCK_BYTES + 5,
        3,
        DIRECT_BYTES_MIN + 4096,
    ];
    let (mut wanted, mut buffer) = (Vec::new(), WriteBuffer::default());
    for (seed, len) in lens.into_iter().enumerate() {
        buffer.begin(wanted.len() as u64);
        let bytes = pattern(len, seed);
        for piece in bytes.chunks(1000) {
            buffer.extend_from_slice(piece);
        }
        buffer.write(&RealDisk, &path, file.as_ref()).unwrap();
        wanted.extend_from_slice(&bytes);
        assert_eq!(buffer.end(), wanted.len() as u64);
        // What readers were shown must be found through the page cache at once.
        let mut found = vec![0; wanted.len() + 1];
        let count = file.read_at(&mut found, 0).unwrap();
        assert!(found[..count] == wanted, "after run {seed}");
    }
    assert_eq!(file.size().unwrap(), wanted.len() as u64);
}
