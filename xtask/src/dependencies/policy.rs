//! `deny.toml`, as far as it is held here. A key that is not known is an error, so that none is believed in vain.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// What may come in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// Read by cargo-deny; here the platform that runs the check is looked at.
    #[serde(rename = "graph")]
    _graph: Option<toml::Table>,
    pub(super) licenses: Licenses,
    pub(super) bans: Bans,
    #[serde(rename = "sources")]
    _sources: Sources,
    pub(super) advisories: Advisories,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Licenses {
    /// SPDX ids, with their exception where they have one.
    pub(super) allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Bans {
    #[serde(rename = "multiple-versions")]
    _multiple_versions: Deny,
    #[serde(default)]
    pub(super) deny: Vec<Named>,
    /// Crates that may be there in two versions.
    #[serde(default)]
    pub(super) skip: Vec<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    #[serde(rename = "unknown-registry")]
    _unknown_registry: Deny,
    #[serde(rename = "unknown-git")]
    _unknown_git: Deny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Advisories {
    pub(super) db_urls: Vec<String>,
    #[serde(rename = "yanked")]
    _yanked: Deny,
    #[serde(default)]
    pub(super) ignore: Vec<Ignored>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ignored {
    pub(super) id: String,
    #[serde(rename = "reason")]
    _reason: String,
}

/// The only level held here: a weaker one in the file would be a promise to look at warnings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deny {
    Deny,
}

impl Policy {
    /// # Errors
    /// When the file cannot be read or says something that is not held here.
    pub(super) fn read(path: &Path) -> anyhow::Result<Policy> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Policy::parse(&text).with_context(|| path.display().to_string())
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Policy> {
        Ok(toml::from_str(text)?)
    }
}
