//! Emits the layouts of records in internal topics.

use super::{Source, message, names};
use anyhow::Context;
use std::fmt::Write;

/// The kinds that are read and written.
pub(crate) const WANTED: [&str; 8] = [
    "OffsetCommit",
    "GroupMetadata",
    "ConsumerGroupMetadata",
    "ConsumerGroupMemberMetadata",
    "ConsumerGroupTargetAssignmentMetadata",
    "ConsumerGroupTargetAssignmentMember",
    "ConsumerGroupCurrentMemberAssignment",
    "ConsumerGroupRegularExpression",
];

/// Name and text of each file in the folder.
pub(crate) fn files(source: &Source) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = vec![("mod.rs".to_owned(), module_list(source))];
    for layout in &source.layouts {
        let text = message::layout_file(layout).with_context(|| layout.name().to_owned())?;
        files.push((format!("{}.rs", names::snake(layout.name())), text));
    }
    Ok(files)
}

fn module_list(source: &Source) -> String {
    let mut out = String::from(
        "//! How records lie in `__consumer_offsets`, a module for each kind: key and value as Kafka writes them.\n\n",
    );
    let mut modules: Vec<_> =
        source.layouts.iter().map(|layout| (names::snake(layout.name()), layout)).collect();
    modules.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (module, _) in &modules {
        let _ = writeln!(out, "pub mod {module};");
    }
    out.push('\n');
    for (module, layout) in &modules {
        let _ = writeln!(out, "pub use {module}::{{{}, {}}};", layout.key.name, layout.value.name);
    }
    out.push('\n');
    for (module, layout) in &modules {
        let _ = writeln!(
            out,
            "/// What the key of a record of {} begins with.\npub const {}_KIND: i16 = {};",
            layout.name(),
            module.to_uppercase(),
            layout.kind
        );
    }
    out
}
