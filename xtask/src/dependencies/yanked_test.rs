use super::yanked::{entry_path, is_yanked};

/// The cache is cargo's own format: what is skimmed from it must be told from what is not there.
#[test]
fn a_yanked_version_is_told_from_its_neighbours() {
    let entry = b"\x03\x02\0\0\0etag: x\x000.1.0\0{\"vers\":\"0.1.0\",\"yanked\":true}\x000.1.1\0{\"vers\":\"0.1.1\",\"yanked\":false}\0";
    assert_eq!(is_yanked(entry, "0.1.0"), Some(true));
    assert_eq!(is_yanked(entry, "0.1.1"), Some(false));
    assert_eq!(is_yanked(entry, "0.1.2"), None);
    assert_eq!(is_yanked(b"something else", "0.1.0"), None);
}

#[test]
fn entries_lie_where_the_index_puts_them() {
    let paths = ["a", "cc", "env", "Bytes"].map(entry_path);
    assert_eq!(paths, ["1/a", "2/cc", "3/e/env", "by/te/bytes"]);
}
