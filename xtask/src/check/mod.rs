//! `cargo xtask check`: holds what the compiler and clippy cannot: who may depend on whom, and the invariants that
//! ARCHITECTURE.md states.
//!
//! A rule is a function from the [`Tree`] or the dependency [`Graph`] to [`Finding`]s, named in one table. It reads text
//! and manifests and builds nothing, so the whole check takes a second or two.
//!
//! Invariant: every rule has a planted violation in its tests that it must report: a rule that cannot fail is a defect
//! (`every_rule_reports_its_plants`).

mod arrows;
mod rooms;
mod source;
mod text;
mod tree;

#[cfg(test)]
mod arrows_test;
#[cfg(test)]
mod source_test;
#[cfg(test)]
mod text_test;
#[cfg(test)]
mod tree_test;

use std::fmt;
use std::path::Path;

use crate::graph::Graph;

pub(crate) use tree::Tree;

/// Something in the project that a rule refuses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the workspace's root; of the manifest when a dependency is refused.
    path: String,
    /// From 1; 0 is the file as a whole.
    line: usize,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// A rule over the text of the tree, or over the dependency graph.
struct Rule<T> {
    name: &'static str,
    find: fn(&T) -> Vec<Finding>,
}

impl<T> Rule<T> {
    /// What the rule finds, each with the rule's name behind it.
    fn report(&self, on: &T) -> impl Iterator<Item = String> {
        (self.find)(on).into_iter().map(|finding| format!("{finding} [{}]", self.name))
    }
}

/// Runs every rule on the project at `root` and prints what they find.
///
/// # Errors
/// When the tree or the graph cannot be read, and when a rule found something.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let tree = Tree::read(root)?;
    let graph = Graph::read(root)?;
    let over_text = source::RULES.iter().chain(text::RULES).flat_map(|rule| rule.report(&tree));
    let over_graph = arrows::RULES.iter().flat_map(|rule| rule.report(&graph));
    let mut findings: Vec<String> = over_text.chain(over_graph).collect();
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    let rules = source::RULES.len() + text::RULES.len() + arrows::RULES.len();
    anyhow::ensure!(findings.is_empty(), "{} findings against {rules} rules", findings.len());
    println!("{rules} rules hold in {} files and {} packages", tree.files().len(), graph.packages().len());
    Ok(())
}
