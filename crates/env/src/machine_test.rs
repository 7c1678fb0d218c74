//! What the process says of itself.

use std::time::Duration;

use super::machine::process_use;

#[test]
fn a_process_knows_what_it_uses() {
    // Could break: a name of /proc/self/status that the kernel does not have.
    let used = process_use();
    assert!(used.resident_bytes.is_some_and(|bytes| bytes > 1 << 16), "{used:?}");
    assert!(
        used.threads.is_some_and(|threads| threads > 0) && used.open_files.is_some_and(|files| files > 2)
    );
    assert!(used.cpu > Duration::ZERO);
}
