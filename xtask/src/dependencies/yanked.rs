//! Versions that their authors have taken back.
//!
//! cargo keeps what the index says about every crate in the lock file; `cargo update --dry-run` brings it up to date and
//! changes nothing. The file format is cargo's own and only skimmed: JSON objects between zero bytes, one per version.
//! A crate whose entry is not found is counted and said, not guessed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use crate::graph::Graph;

/// One line for each yanked version in the graph.
///
/// # Errors
/// When cargo's home cannot be found or read.
pub(super) fn check(workspace: &Path, graph: &Graph) -> anyhow::Result<Vec<String>> {
    let refresh =
        Command::new("cargo").args(["update", "--dry-run", "--quiet"]).current_dir(workspace).output();
    if !refresh.context("cargo update")?.status.success() {
        println!("yanked versions: the index was not reachable, what cargo last knew is used");
    }
    let indexes = indexes()?;
    let mut yanked = Vec::new();
    let mut unknown = 0;
    for package in graph.packages().values().filter(|package| package.source.is_some()) {
        let entry = indexes.iter().find_map(|index| fs::read(index.join(entry_path(&package.name))).ok());
        match entry.and_then(|entry| is_yanked(&entry, &package.version)) {
            Some(true) => yanked.push(format!("{} {} has been yanked", package.name, package.version)),
            Some(false) => {}
            None => unknown += 1,
        }
    }
    if unknown > 0 {
        println!("yanked versions: cargo keeps no index entry for {unknown} crates, these are not checked");
    }
    Ok(yanked)
}

/// Where cargo caches the entries of its sparse indexes.
fn indexes() -> anyhow::Result<Vec<PathBuf>> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?)
            .join(".cargo"),
    };
    let registries = home.join("registry").join("index");
    let read = fs::read_dir(&registries).with_context(|| format!("reading {}", registries.display()))?;
    Ok(read
        .filter_map(|entry| Some(entry.ok()?.path().join(".cache")))
        .filter(|path| path.is_dir())
        .collect())
}

/// The index's own layout: `1/a`, `2/ab`, `3/a/abc`, `ab/cd/abcdef`, in lower case.
pub(super) fn entry_path(name: &str) -> String {
    let name = name.to_lowercase();
    match name.len() {
        1 => format!("1/{name}"),
        2 => format!("2/{name}"),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

/// Whether the entry says that `version` has been yanked; none when it does not speak of it.
pub(super) fn is_yanked(entry: &[u8], version: &str) -> Option<bool> {
    let objects = entry.split(|byte| *byte == 0).filter(|piece| piece.first() == Some(&b'{'));
    let mut versions = objects.filter_map(|piece| serde_json::from_slice::<Value>(piece).ok());
    versions.find(|each| each["vers"].as_str() == Some(version))?["yanked"].as_bool()
}
