//! How many tests a step's output speaks of: cargo's test harness and pytest.

/// Tests that a step ran.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

/// Adds up the closing lines of all test runners in `output`; none when there is no such line.
pub(super) fn counts(output: &str) -> Option<Counts> {
    let mut counts = None;
    for line in output.lines() {
        let harness = line.strip_prefix("test result: ");
        // pytest: `==== 3 passed, 1 skipped in 2.50s ====`, with -q without the bars.
        let pytest = Some(line.trim_matches(['=', ' ']))
            .filter(|line| line.contains(" in ") && line.ends_with(['s', ')']));
        let Some(closing) = harness.or(pytest) else { continue };
        let closing = closing.split_once(" in ").map_or(closing, |(counted, _)| counted);
        let found = closing_counts(closing);
        if found != Counts::default() || harness.is_some() {
            let sum: &mut Counts = counts.get_or_insert_default();
            sum.passed += found.passed;
            sum.failed += found.failed;
            sum.skipped += found.skipped;
        }
    }
    counts
}

/// `ok. 12 passed; 0 failed; 1 ignored` or `12 passed, 1 skipped`.
fn closing_counts(closing: &str) -> Counts {
    let mut counts = Counts::default();
    for part in closing.split([';', ',', '.']) {
        let Some((number, word)) = part.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word {
            "passed" | "xfailed" => counts.passed += number,
            "failed" | "error" | "errors" | "xpassed" => counts.failed += number,
            "ignored" | "skipped" => counts.skipped += number,
            _ => {}
        }
    }
    counts
}
