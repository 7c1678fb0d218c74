//! The data directory's owner and identity: `LOCK` and `meta`.
//!
//! A directory is used by one process at a time, and only by the format that wrote it. `meta` says which
//! cluster and node it belongs to; it is written once, when the directory is first used:
//!
//! ```text
//! takhin data directory
//! format.version=1
//! cluster.id=9Yh2kX0oTJqGmXx3fYyq3A
//! node.id=1
//! ```
//!
//! Refused, in one line each: a directory in use, of another format version, of another broker id, with a
//! damaged `meta`, and one that holds anything but has no `meta`: what an earlier broker or Apache Kafka
//! left there is neither read nor written over.
//!
//! Invariant: `meta` is complete and durable before anything else is in the directory.

use std::{
    io,
    path::{Path, PathBuf},
};

use env::disk::{Access, Caching, DirLock, Disk, DiskError, LockError};

/// Version of everything below the directory. It changes when an older binary must not touch the files.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Bound on what is read from `meta`, in bytes.
const META_BYTES_MAX: usize = 4096;
const META_FILE: &str = "meta";
const META_NEW_FILE: &str = "meta.new";
const META_HEAD: &str = "takhin data directory";
/// What may stand in a directory that was never used: our own beginnings, and what file systems put there.
const HARMLESS: [&str; 3] = ["LOCK", META_NEW_FILE, "lost+found"];

/// Whose data a directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Random, 22 characters, as Kafka's cluster ids are.
    pub(crate) cluster_id: String,
    /// `kafka.broker.id` at the time of formatting.
    pub(crate) node_id: i32,
}

/// A directory that this process may use until it drops this.
#[derive(Debug)]
pub(crate) struct DataDir {
    pub(crate) path: PathBuf,
    pub(crate) meta: Meta,
    /// Whether `meta` was written just now.
    pub(crate) is_new: bool,
    _lock: DirLock,
}

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Stop the other process, or take another directory.
    #[error("data directory {}: in use by another process{}", path.display(), pid.map_or(String::new(), |pid| format!(" (pid {pid})")))]
    InUse { path: PathBuf, pid: Option<u32> },
    /// Use the binary that wrote it.
    #[error("data directory {}: its format version is {found}, this binary reads version {FORMAT_VERSION}", path.display())]
    FormatVersion { path: PathBuf, found: String },
    /// Set `kafka.broker.id`, or take another directory.
    #[error("data directory {}: it belongs to kafka.broker.id {found}, not {configured}", path.display())]
    OtherNode { path: PathBuf, found: i32, configured: i32 },
    /// Take another directory.
    #[error("data directory {}: {whose} (it holds {found}); start with an empty directory", path.display())]
    Foreign { path: PathBuf, whose: &'static str, found: String },
    /// Name another directory.
    #[error("data directory {}: no broker has used it (it has no file meta)", path.display())]
    Unused { path: PathBuf },
    /// Restore the file from a backup.
    #[error("data directory {}: its file meta can't be read: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    /// The file system refuses.
    #[error("data directory {}: {error}", path.display())]
    Disk { path: PathBuf, error: DiskError },
    /// The kernel has no random bytes.
    #[error("a new cluster id: {0}")]
    Random(io::Error),
}

impl DataDir {
    /// Locks `path` and reads who it belongs to; makes and formats it if it is missing or empty.
    ///
    /// # Errors
    /// As [`DataDirError`] says: nothing was changed but perhaps an empty directory made.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, broker_id: i32) -> Result<Self, DataDirError> {
        let refuse = |error| DataDirError::Disk { path: path.to_owned(), error };
        disk.create_dir_all(path).map_err(refuse)?;
        let names = disk.list(path).map_err(refuse)?;
        let has_meta = names.iter().any(|name| name == META_FILE);
        if !has_meta {
            // Before the lock, which would leave its file in a directory that is not ours.
            refuse_foreign(path, &names)?;
        }
        let lock = lock(disk, path)?;
        // Somebody may have formatted it between the listing and the lock.
        let meta = read_meta(disk, path)?;
        let is_new = meta.is_none();
        let meta = match meta {
            Some(meta) => meta,
            None => {
                let cluster_id = random_id().map_err(DataDirError::Random)?;
                format(disk, path, cluster_id, broker_id).map_err(refuse)?
            }
        };
        if meta.node_id != broker_id {
            let (path, found, configured) = (path.to_owned(), meta.node_id, broker_id);
            return Err(DataDirError::OtherNode { path, found, configured });
        }
        Ok(Self { path: path.to_owned(), meta, is_new, _lock: lock })
    }
}

impl DataDir {
    /// Locks a directory that a broker has used, whichever one, and changes nothing else.
    ///
    /// # Errors
    /// As [`DataDirError`] says.
    pub(crate) fn open_existing(disk: &dyn Disk, path: &Path) -> Result<Self, DataDirError> {
        let none = || DataDirError::Unused { path: path.to_owned() };
        // Before the lock, which would leave its file in a directory that is not ours.
        read_meta(disk, path)?.ok_or_else(none)?;
        let lock = lock(disk, path)?;
        let meta = read_meta(disk, path)?.ok_or_else(none)?;
        Ok(Self { path: path.to_owned(), meta, is_new: false, _lock: lock })
    }
}

fn refuse_foreign(path: &Path, names: &[String]) -> Result<(), DataDirError> {
    let Some(found) = names.iter().filter(|name| !HARMLESS.contains(&name.as_str())).min() else {
        return Ok(());
    };
    let kafka = ["meta.properties", "cleaner-offset-checkpoint", "recovery-point-offset-checkpoint"];
    let (whose, found) = match names.iter().find(|name| kafka.contains(&name.as_str())) {
        Some(sign) => ("it holds the data of another broker (Apache Kafka)", sign),
        None => ("it is not empty, and not of this broker's format", found),
    };
    Err(DataDirError::Foreign { path: path.to_owned(), whose, found: found.escape_debug().to_string() })
}

/// Locks, and leaves our process id for whoever comes second.
fn lock(disk: &dyn Disk, path: &Path) -> Result<DirLock, DataDirError> {
    let refuse = |error| DataDirError::Disk { path: path.to_owned(), error };
    let lock = DirLock::acquire(path).map_err(|error| match error {
        LockError::InUse { .. } => {
            let pid = read_text(disk, &path.join("LOCK")).ok().and_then(|text| text.trim().parse().ok());
            DataDirError::InUse { path: path.to_owned(), pid }
        }
        LockError::Disk(error) => refuse(error),
    })?;
    let file = disk.open(lock.path(), Access::Write, Caching::Cached).map_err(refuse)?;
    file.set_len(0).map_err(refuse)?;
    file.write_at(format!("{}\n", std::process::id()).as_bytes(), 0).map_err(refuse)?;
    Ok(lock)
}

/// Writes `meta` under another name first: it is there completely or not at all.
fn format(disk: &dyn Disk, path: &Path, cluster_id: String, node_id: i32) -> Result<Meta, DiskError> {
    let meta = Meta { cluster_id, node_id };
    let (new, done) = (path.join(META_NEW_FILE), path.join(META_FILE));
    match disk.remove(&new) {
        Err(e) if !e.is_not_found() => return Err(e),
        _ => {}
    }
    let file = disk.open(&new, Access::CreateNew, Caching::Cached)?;
    file.write_at(render(&meta).as_bytes(), 0)?;
    file.sync()?;
    disk.rename(&new, &done)?;
    disk.sync_dir(path)?;
    Ok(meta)
}

fn render(meta: &Meta) -> String {
    let Meta { cluster_id, node_id } = meta;
    format!("{META_HEAD}\nformat.version={FORMAT_VERSION}\ncluster.id={cluster_id}\nnode.id={node_id}\n")
}

/// `None` where there is none yet.
fn read_meta(disk: &dyn Disk, path: &Path) -> Result<Option<Meta>, DataDirError> {
    let text = match read_text(disk, &path.join(META_FILE)) {
        Ok(text) => text,
        Err(e) if e.is_not_found() => return Ok(None),
        Err(error) => return Err(DataDirError::Disk { path: path.to_owned(), error }),
    };
    let damaged = |why: &str| DataDirError::Damaged { path: path.to_owned(), why: why.to_owned() };
    let mut lines = text.lines();
    if lines.next() != Some(META_HEAD) {
        return Err(damaged("its first line is another"));
    }
    let mut value = |name: &str| {
        let line = lines.next().and_then(|line| line.split_once('='));
        line.filter(|(found, _)| *found == name)
            .map(|(_, value)| value)
            .ok_or_else(|| damaged(&format!("it has no {name}")))
    };
    // First, and the reading ends here: another version may say everything else differently.
    let found = value("format.version")?;
    if found != FORMAT_VERSION.to_string() {
        return Err(DataDirError::FormatVersion {
            path: path.to_owned(),
            found: found.escape_debug().to_string(),
        });
    }
    let meta = Meta {
        cluster_id: value("cluster.id")?.to_owned(),
        node_id: value("node.id")?.parse().map_err(|_| damaged("its node.id is no number"))?,
    };
    // The file is written once and whole, so anything else was done to it later.
    if render(&meta) != text || meta.cluster_id.is_empty() {
        return Err(damaged("it is not as it was written"));
    }
    Ok(Some(meta))
}

fn read_text(disk: &dyn Disk, path: &Path) -> Result<String, DiskError> {
    let file = disk.open(path, Access::Read, Caching::Cached)?;
    let mut bytes = vec![0; META_BYTES_MAX];
    let len = file.read_at(&mut bytes, 0)?;
    bytes.truncate(len);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A random id as Kafka writes its own: 16 bytes in URL-safe base64 without padding.
fn random_id() -> io::Result<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    loop {
        let bits = u128::from_be_bytes(env::random::uuid()?);
        // 128 bits in 22 digits of 6: the last digit has two of them, moved up.
        let digit = |at: u32| if at < 21 { bits >> (122 - 6 * at) } else { bits << 4 };
        let letter = |at| char::from(ALPHABET[usize::try_from(digit(at) & 63).expect("6 bits fit")]);
        let id: String = (0..22).map(letter).collect();
        // A leading `-` would read as an option on a command line.
        if !id.starts_with('-') {
            return Ok(id);
        }
    }
}
