//! `cargo xtask dependencies`: licences, refused and doubled crates, sources, yanked versions and known vulnerabilities
//! of everything that the broker and the measuring tools are built from.
//!
//! `deny.toml` says what is allowed, in cargo-deny's own format. cargo-deny itself would be the longest build of the whole
//! test command, for questions that `cargo metadata` answers; advisories are read from the same database as it reads.
//!
//! What needs the network says so in one line when there is none, and the rest is held all the same.

mod advisories;
#[cfg(test)]
mod advisories_test;
mod policy;
mod rules;
#[cfg(test)]
mod rules_test;
mod yanked;
#[cfg(test)]
mod yanked_test;

use std::path::Path;

use crate::graph::Graph;
use policy::Policy;

/// The workspaces that are built from other people's code.
const WORKSPACES: &[&str] = &[".", "bench"];

/// Holds `deny.toml` for every workspace, with the advisories in `database` or, without one, a copy kept under `target`.
///
/// # Errors
/// When something is refused, or the policy or a graph cannot be read. No network is no error.
pub(crate) fn run(root: &Path, database: Option<&Path>) -> anyhow::Result<()> {
    let policy = Policy::read(&root.join("deny.toml"))?;
    let mut graphs = Vec::new();
    for workspace in WORKSPACES {
        graphs.push((*workspace, Graph::read(&root.join(workspace))?));
    }
    let mut refused = Vec::new();
    for (workspace, graph) in &graphs {
        let found = rules::RULES.iter().flat_map(|rule| rule(&policy, graph));
        refused.extend(found.map(|text| format!("{workspace}: {text}")));
        refused.extend(
            yanked::check(&root.join(workspace), graph)?
                .into_iter()
                .map(|text| format!("{workspace}: {text}")),
        );
    }
    match advisories::database(root, &policy, database) {
        Ok(database) => {
            for (workspace, graph) in &graphs {
                let found = advisories::check(&database, &policy, graph)?;
                refused.extend(found.into_iter().map(|text| format!("{workspace}: {text}")));
            }
        }
        Err(why) => println!("ADVISORIES NOT CHECKED: {why:#}"),
    }
    for text in &refused {
        println!("{text}");
    }
    anyhow::ensure!(refused.is_empty(), "{} dependencies refused by deny.toml", refused.len());
    let packages: usize = graphs.iter().map(|(_, graph)| graph.packages().len()).sum();
    println!("{packages} packages pass deny.toml");
    Ok(())
}
