//! Emits the layouts of records in internal topics, and of what consumers put into the classic protocol.

use super::definition::Definition;
use super::{Layout, Source, message, names};
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

/// What consumers put into JoinGroup and SyncGroup, where it is understood.
pub(crate) const EMBEDDED: [&str; 2] = ["ConsumerProtocolAssignment", "ConsumerProtocolSubscription"];

/// Name and text of each file in the folder.
pub(crate) fn files(source: &Source) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = vec![("mod.rs".to_owned(), module_list(source))];
    for layout in &source.layouts {
        let text = message::layout_file(layout).with_context(|| layout.name().to_owned())?;
        files.push((format!("{}.rs", names::snake(layout.name())), text));
    }
    for embedded in &source.embedded {
        let text = message::single_file(embedded, "wire").with_context(|| embedded.name.clone())?;
        files.push((format!("{}.rs", names::snake(&embedded.name)), text));
    }
    Ok(files)
}

fn module_list(source: &Source) -> String {
    let mut out = String::from(
        "//! How records lie in `__consumer_offsets`, a module for each kind: key and value as Kafka writes them; and the bytes that\n\
         //! consumers put into the classic protocol.\n\n",
    );
    let kind = |layout: &Layout| {
        (names::snake(layout.name()), format!("{{{}, {}}}", layout.key.name, layout.value.name))
    };
    let embedded = |of: &Definition| (names::snake(&of.name), of.name.clone());
    let mut modules: Vec<(String, String)> =
        source.layouts.iter().map(kind).chain(source.embedded.iter().map(embedded)).collect();
    modules.sort();
    for (module, _) in &modules {
        let _ = writeln!(out, "pub mod {module};");
    }
    out.push('\n');
    for (module, names) in &modules {
        let _ = writeln!(out, "pub use {module}::{names};");
    }
    out.push('\n');
    let mut kinds: Vec<_> =
        source.layouts.iter().map(|layout| (names::snake(layout.name()), layout)).collect();
    kinds.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (module, layout) in &kinds {
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
