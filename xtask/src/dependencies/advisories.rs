//! Known vulnerabilities, from a copy of the RustSec advisory database.
//!
//! The database is a git repository, cloned under `target/` and refreshed on each run. Where its host cannot be reached the
//! last copy is used and its age said; where there is none, the caller says that nothing was checked.
//! Vulnerable and unsound versions are refused; unmaintained crates are named and pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use semver::{Version, VersionReq};
use serde::Deserialize;

use super::policy::Policy;
use crate::graph::{Graph, Package};

/// A host that is not there must not hold up the tests.
const FETCH_SECONDS: &str = "30";

/// One advisory, as far as it is used here.
#[derive(Debug, Deserialize)]
struct Document {
    advisory: Advisory,
    versions: Versions,
}

#[derive(Debug, Deserialize)]
struct Advisory {
    id: String,
    package: String,
    withdrawn: Option<toml::Value>,
    /// `unmaintained`, `unsound` or `notice`; none is a vulnerability.
    informational: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

/// The directory of a database: the one given, or a copy under `target/` that is brought up to date.
///
/// # Errors
/// When there is no copy and none can be fetched.
pub(super) fn database(root: &Path, policy: &Policy, given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        ensure!(
            given.join("crates").is_dir(),
            "{} is no advisory database: it has no crates/",
            given.display()
        );
        return Ok(given.to_owned());
    }
    let url = policy.advisories.db_urls.first().context("deny.toml names no advisory database")?;
    let copy = root.join("target").join("advisory-db");
    let copy_text = copy.to_string_lossy();
    let fetched = if copy.join(".git").is_dir() {
        git(&["-C", &copy_text, "pull", "--quiet", "--ff-only", "--depth", "1"])?
    } else {
        git(&["clone", "--quiet", "--depth", "1", url, &copy_text])?
    };
    if !fetched.status.success() {
        let why =
            String::from_utf8_lossy(&fetched.stderr).lines().next().unwrap_or("no answer in time").to_owned();
        ensure!(copy.join("crates").is_dir(), "no copy of {url}, and it cannot be fetched: {why}");
        println!("advisories: {url} cannot be fetched ({why}); the copy from the last time is used");
    }
    Ok(copy)
}

fn git(arguments: &[&str]) -> anyhow::Result<Output> {
    Command::new("timeout")
        .args([FETCH_SECONDS, "git"])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .context("git")
}

/// One line for each package of the graph that an advisory speaks of.
///
/// # Errors
/// When an advisory cannot be read: an unknown format must not pass for "nothing known".
pub(super) fn check(database: &Path, policy: &Policy, graph: &Graph) -> anyhow::Result<Vec<String>> {
    let mut refused = Vec::new();
    for package in graph.packages().values().filter(|package| package.source.is_some()) {
        let Ok(files) = fs::read_dir(database.join("crates").join(&package.name)) else { continue };
        for file in files {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                refused.extend(judge(&text, policy, package).with_context(|| path.display().to_string())?);
            }
        }
    }
    Ok(refused)
}

/// What an advisory means for a package of its name.
pub(super) fn judge(text: &str, policy: &Policy, package: &Package) -> anyhow::Result<Option<String>> {
    let front = text.split_once("```toml").and_then(|(_, rest)| rest.split_once("```"));
    let (front, rest) = front.context("no front matter")?;
    let document: Document = toml::from_str(front).context("front matter")?;
    let advisory = document.advisory;
    let ignored = policy.advisories.ignore.iter().any(|ignored| ignored.id == advisory.id);
    if advisory.withdrawn.is_some() || ignored || advisory.package != package.name {
        return Ok(None);
    }
    let version = Version::parse(&package.version).with_context(|| format!("version of {}", package.name))?;
    for requirement in document.versions.patched.iter().chain(&document.versions.unaffected) {
        if VersionReq::parse(requirement).with_context(|| format!("version {requirement}"))?.matches(&version)
        {
            return Ok(None);
        }
    }
    let title = rest.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("").trim();
    let line = format!("{} {}: {} {title}", package.name, package.version, advisory.id);
    match advisory.informational.as_deref() {
        Some("unmaintained" | "notice") => {
            println!("advisories: {line} ({})", advisory.informational.unwrap_or_default());
            Ok(None)
        }
        _ => Ok(Some(line)),
    }
}
