//! The dependency graph, as `cargo metadata` tells it for the platform that runs the check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The crate's own code.
    Normal,
    /// Its build script.
    Build,
    /// Its tests, examples and benchmarks.
    Dev,
}

/// One package of the graph.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// SPDX expression from its manifest.
    pub(crate) license: Option<String>,
    /// Where it comes from; none for a crate of this workspace.
    pub(crate) source: Option<String>,
    /// Path of its manifest from the workspace's root; for crates of the workspace only.
    pub(crate) manifest: String,
    /// Ids of what it depends on.
    pub(crate) uses: BTreeSet<(Kind, String)>,
}

/// All packages in the lock file that this platform builds, by cargo's package id.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    packages: BTreeMap<String, Package>,
}

impl Graph {
    /// Asks cargo. The lock file is taken as it is.
    ///
    /// # Errors
    /// When cargo fails (the lock file is stale) or answers something else than its documented format.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Graph> {
        let platform = host_triple()?;
        let output = Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
            .current_dir(root)
            .output()
            .context("cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata's answer")?;
        Graph::parse(root, &metadata).context("cargo metadata's answer lacks a documented field")
    }

    fn parse(root: &Path, metadata: &Value) -> Option<Graph> {
        let mut graph = Graph::default();
        let mut told = BTreeMap::new();
        for package in metadata["packages"].as_array()? {
            told.insert(package["id"].as_str()?, package);
        }
        // The resolved nodes, not the packages: those are of all platforms.
        for node in metadata["resolve"]["nodes"].as_array()? {
            let id = node["id"].as_str()?;
            let package = told.get(id)?;
            let text = |key: &str| package[key].as_str().map(str::to_owned);
            let manifest = Path::new(package["manifest_path"].as_str()?);
            let manifest = manifest.strip_prefix(root).unwrap_or(manifest).to_string_lossy().into_owned();
            let uses = uses_of(node)?;
            let (name, version) = (text("name")?, text("version")?);
            let (license, source) = (text("license"), text("source"));
            graph.packages.insert(id.to_owned(), Package { name, version, license, source, manifest, uses });
        }
        Some(graph)
    }

    /// A graph for tests: `(name, what it uses)`; names that contain no `.` are of the workspace.
    #[cfg(test)]
    pub(crate) fn planted(packages: &[(&str, &[(Kind, &str)])]) -> Graph {
        let package = |(name, uses): &(&str, &[(Kind, &str)])| {
            let external = name.strip_prefix("external.");
            let package = Package {
                name: external.unwrap_or(name).to_owned(),
                version: "1.0.0".to_owned(),
                license: Some("Apache-2.0".to_owned()),
                source: external.map(|_| "registry".to_owned()),
                manifest: format!("crates/{name}/Cargo.toml"),
                uses: uses.iter().map(|(kind, id)| (*kind, (*id).to_owned())).collect(),
            };
            ((*name).to_owned(), package)
        };
        Graph { packages: packages.iter().map(package).collect() }
    }

    /// Changes a planted package.
    #[cfg(test)]
    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut Package)) {
        change(self.packages.get_mut(id).expect("planted"));
    }

    pub(crate) fn packages(&self) -> &BTreeMap<String, Package> {
        &self.packages
    }

    /// The crates of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.source.is_none())
    }

    /// What a package depends on directly, tests included.
    pub(crate) fn uses<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = (Kind, &'a Package)> {
        package.uses.iter().filter_map(|(kind, id)| Some((*kind, self.packages.get(id)?)))
    }

    /// The way from a package to the first dependency that `wanted` accepts, through code and build scripts.
    pub(crate) fn way_to(&self, from: &Package, wanted: impl Fn(&Package) -> bool) -> Option<Vec<String>> {
        let mut ways = vec![(from, vec![from.name.clone()])];
        let mut seen = BTreeSet::new();
        while let Some((package, way)) = ways.pop() {
            for (_, used) in self.uses(package).filter(|(kind, _)| *kind != Kind::Dev) {
                let way: Vec<String> = way.iter().chain([&used.name]).cloned().collect();
                if wanted(used) {
                    return Some(way);
                }
                if seen.insert((&used.name, &used.version)) {
                    ways.push((used, way));
                }
            }
        }
        None
    }
}

fn uses_of(node: &Value) -> Option<BTreeSet<(Kind, String)>> {
    let mut uses = BTreeSet::new();
    for dependency in node["deps"].as_array()? {
        for kind in dependency["dep_kinds"].as_array()? {
            let kind = match kind["kind"].as_str() {
                None => Kind::Normal,
                Some("build") => Kind::Build,
                Some(_) => Kind::Dev,
            };
            uses.insert((kind, dependency["pkg"].as_str()?.to_owned()));
        }
    }
    Some(uses)
}

fn host_triple() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host =
        text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}
