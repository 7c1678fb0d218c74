//! What the process says of itself.

use std::time::Duration;

use super::machine::{Processors, process_use};

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

#[test]
fn the_halves_share_no_processor() {
    // Could break: the one that measures runs where the one that is measured runs, or a processor is nobody's.
    let all = Processors::of_this_thread().expect("the system says");
    let Some((first, second)) = all.halves() else { return };
    for half in [&first, &second] {
        half.bind_this_thread().expect("allowed");
        assert!(Processors::of_this_thread().expect("the system says").is_within(half));
    }
    all.bind_this_thread().expect("allowed");
    assert!(!first.is_within(&second) && first.is_within(&all) && second.is_within(&all));
}
