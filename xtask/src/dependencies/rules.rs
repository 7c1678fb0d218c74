//! What `cargo metadata` alone can answer: licences, refused and doubled crates, sources.

use std::collections::BTreeMap;

use super::policy::Policy;
use crate::graph::{Graph, Package};

/// A rule returns one line for each thing that it refuses.
pub(super) type Rule = fn(&Policy, &Graph) -> Vec<String>;

pub(super) const RULES: &[Rule] = &[licences, refused_crates, doubled_crates, sources];

/// How cargo writes the public registry as a source.
const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn external(graph: &Graph) -> impl Iterator<Item = &Package> {
    graph.packages().values().filter(|package| package.source.is_some())
}

fn licences(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut refused = Vec::new();
    for package in external(graph) {
        let Some(license) = &package.license else {
            refused.push(format!("{} {} states no licence", package.name, package.version));
            continue;
        };
        // Lax: older manifests write `MIT/Apache-2.0`.
        match spdx::Expression::parse_mode(license, spdx::ParseMode::LAX) {
            Ok(expression)
                if expression.evaluate(|wanted| policy.licenses.allow.contains(&wanted.to_string())) => {}
            Ok(_) => refused
                .push(format!("{} {}: licence {license} is not allowed", package.name, package.version)),
            Err(error) => {
                refused.push(format!("{} {}: licence {license}: {error}", package.name, package.version))
            }
        }
    }
    refused
}

fn refused_crates(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut refused = Vec::new();
    for package in external(graph) {
        if let Some(ban) = policy.bans.deny.iter().find(|ban| ban.name == package.name) {
            refused.push(format!(
                "{} {} is refused: {}{}",
                package.name,
                package.version,
                ban.reason,
                users(graph, package)
            ));
        }
    }
    refused
}

fn doubled_crates(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in external(graph) {
        by_name.entry(&package.name).or_default().push(package);
    }
    let skipped = |name: &str| policy.bans.skip.iter().any(|skip| skip.name == name);
    let mut refused = Vec::new();
    for (name, packages) in &by_name {
        if packages.len() > 1 && !skipped(name) {
            let versions: Vec<String> =
                packages.iter().map(|p| format!("{}{}", p.version, users(graph, p))).collect();
            refused.push(format!("{name} comes in {} versions: {}", packages.len(), versions.join("; ")));
        }
    }
    let idle =
        policy.bans.skip.iter().filter(|skip| by_name.get(skip.name.as_str()).is_some_and(|p| p.len() == 1));
    refused.extend(
        idle.map(|skip| format!("{} is skipped, but comes in one version: {}", skip.name, skip.reason)),
    );
    refused
}

fn sources(_: &Policy, graph: &Graph) -> Vec<String> {
    let elsewhere = |package: &&Package| package.source.as_deref() != Some(PUBLIC_REGISTRY);
    let text =
        |package: &Package| format!("{} {} comes from {:?}", package.name, package.version, package.source);
    external(graph).filter(elsewhere).map(text).collect()
}

/// ` (used by a, b)`: whom to ask.
fn users(graph: &Graph, package: &Package) -> String {
    let uses = |user: &&Package| graph.uses(user).any(|(_, used)| std::ptr::eq(used, package));
    let names: Vec<&str> = graph.packages().values().filter(uses).map(|user| user.name.as_str()).collect();
    format!(" (used by {})", names.join(", "))
}
