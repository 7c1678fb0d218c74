//! docs/operating.md explains every metric that is written, and no other.
#![allow(clippy::disallowed_methods)] // reads the document and the code, as a reviewer would

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn every_metric_is_explained_and_no_other() {
    // Could break: a metric is added, renamed or removed, and people read of one that is not there.
    let code = read("src/page/mod.rs")
        + &read("src/page/flows.rs")
        + &read("src/page/groups.rs")
        + &read("src/page/topics.rs");
    let document = read("../../docs/operating.md");
    let ours = |name: &str| name.starts_with("takhin_") || name.starts_with("process_");
    let written: BTreeSet<&str> = code.split('"').skip(1).step_by(2).filter(|text| ours(text)).collect();
    // Each is explained in a row of a table that begins with its name, counters with their ending.
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let explained: BTreeSet<&str> = rows
        .filter_map(|row| row.split_once('`'))
        .map(|(name, _)| name.split('{').next().unwrap_or(name))
        .filter(|name| ours(name))
        .map(|name| name.strip_suffix("_total").unwrap_or(name))
        .collect();
    assert!(written.len() > 40, "{written:?}");
    assert_eq!(written, explained);
}
