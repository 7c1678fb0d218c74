use super::counts::{Counts, counts};

/// A run that executed nothing must not look like one that passed.
#[test]
fn closing_lines_are_added_up() {
    let output = "\
running 3 tests
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";
    assert_eq!(counts(output), Some(Counts { passed: 4, failed: 2, skipped: 1 }));
    let output = "====== 1 failed, 20 passed, 3 skipped, 5 deselected in 61.20s (0:01:01) ======\n";
    assert_eq!(counts(output), Some(Counts { passed: 20, failed: 1, skipped: 3 }));
    assert_eq!(counts("2 passed in 0.10s\n"), Some(Counts { passed: 2, failed: 0, skipped: 0 }));
    assert_eq!(counts("tiny64, block 1 in 3 seconds\n"), None);
}
