use super::advisories::judge;
use super::policy::Policy;
use crate::graph::{Graph, Kind, Package};

const POLICY: &str = r#"
licenses = { allow = ["MIT"] }
bans = { multiple-versions = "deny" }
sources = { unknown-registry = "deny", unknown-git = "deny" }
advisories = { db-urls = [], yanked = "deny", ignore = [{ id = "RUSTSEC-2020-0002", reason = "not called" }] }
"#;

fn package() -> Package {
    let graph = Graph::planted(&[("wire", &[(Kind::Normal, "external.harm")]), ("external.harm", &[])]);
    graph.packages()["external.harm"].clone()
}

fn judged(id: &str, versions: &str, more: &str) -> Option<String> {
    let text = format!(
        "```toml\n[advisory]\nid = \"{id}\"\npackage = \"harm\"\n{more}\n[versions]\n{versions}\n```\n# It harms\n"
    );
    judge(&text, &Policy::parse(POLICY).unwrap(), &package()).unwrap()
}

/// The planted package is version 1.0.0: an advisory read the wrong way round would refuse the mended versions only.
#[test]
fn an_unpatched_version_is_refused() {
    let found = judged("RUSTSEC-2020-0001", "patched = [\">= 1.0.1\"]", "");
    assert_eq!(found.as_deref(), Some("harm 1.0.0: RUSTSEC-2020-0001 It harms"));
    assert!(judged("RUSTSEC-2020-0001", "patched = []", "").is_some());
    assert!(judged("RUSTSEC-2020-0001", "patched = []", "informational = \"unsound\"").is_some());
}

#[test]
fn patched_unaffected_withdrawn_and_ignored_pass() {
    assert_eq!(judged("RUSTSEC-2020-0001", "patched = [\"^0.9.8\", \">= 1.0.0\"]", ""), None);
    assert_eq!(judged("RUSTSEC-2020-0001", "patched = []\nunaffected = [\"< 1.0.1\"]", ""), None);
    assert_eq!(judged("RUSTSEC-2020-0001", "patched = []", "withdrawn = \"2021-01-01\""), None);
    assert_eq!(judged("RUSTSEC-2020-0002", "patched = []", ""), None);
    assert_eq!(judged("RUSTSEC-2020-0001", "patched = []", "informational = \"unmaintained\""), None);
}

/// An advisory in a format we do not know must not pass for "nothing known".
#[test]
fn an_unreadable_advisory_is_an_error() {
    let policy = Policy::parse(POLICY).unwrap();
    assert!(judge("# Only prose", &policy, &package()).is_err());
    assert!(judge("```toml\n[advisory]\nid = 7\n```", &policy, &package()).is_err());
}
