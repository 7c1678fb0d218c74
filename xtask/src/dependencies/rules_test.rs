use super::policy::Policy;
use super::rules::RULES;
use crate::graph::{Graph, Kind, Package};

const POLICY: &str = r#"
licenses = { allow = ["MIT", "Apache-2.0 WITH LLVM-exception"] }
bans = { multiple-versions = "deny", deny = [{ name = "openssl", reason = "rustls" }], skip = [{ name = "old", reason = "a" }] }
sources = { unknown-registry = "deny", unknown-git = "deny" }
advisories = { db-urls = [], yanked = "deny" }
"#;

/// The workspace's one crate and what it uses: name, version, licence, source.
fn refused(packages: &[(&str, &str, Option<&str>, &str)]) -> Vec<String> {
    let ids: Vec<String> = (0..packages.len()).map(|at| format!("external.{at}")).collect();
    let uses: Vec<(Kind, &str)> = ids.iter().map(|id| (Kind::Normal, id.as_str())).collect();
    let none: &[(Kind, &str)] = &[];
    let listed: Vec<(&str, &[(Kind, &str)])> =
        [("wire", uses.as_slice())].into_iter().chain(ids.iter().map(|id| (id.as_str(), none))).collect();
    let mut graph = Graph::planted(&listed);
    for ((name, version, license, source), id) in packages.iter().zip(&ids) {
        graph.change(id, |package: &mut Package| {
            package.name = (*name).to_owned();
            package.version = (*version).to_owned();
            package.license = license.map(str::to_owned);
            package.source = Some((*source).to_owned());
        });
    }
    let policy = Policy::parse(POLICY).unwrap();
    RULES.iter().flat_map(|rule| rule(&policy, &graph)).collect()
}

const HERE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Each line of deny.toml that can never refuse anything is a line believed in vain.
#[test]
fn every_rule_reports_its_plant() {
    let plants = [
        (vec![("a", "1.0.0", Some("GPL-3.0-only"), HERE)], "licence GPL-3.0-only is not allowed"),
        (vec![("a", "1.0.0", Some("MIT AND GPL-3.0-only"), HERE)], "is not allowed"),
        (vec![("a", "1.0.0", Some("Apache-2.0"), HERE)], "licence Apache-2.0 is not allowed"),
        (vec![("a", "1.0.0", None, HERE)], "a 1.0.0 states no licence"),
        (vec![("a", "1.0.0", Some("what?"), HERE)], "licence what?"),
        (vec![("openssl", "1.0.0", Some("MIT"), HERE)], "openssl 1.0.0 is refused: rustls (used by wire)"),
        (vec![("a", "1.0.0", Some("MIT"), HERE), ("a", "2.0.0", Some("MIT"), HERE)], "a comes in 2 versions"),
        (vec![("old", "1.0.0", Some("MIT"), HERE)], "old is skipped, but comes in one version"),
        (vec![("a", "1.0.0", Some("MIT"), "git+https://example.org/a")], "a 1.0.0 comes from"),
    ];
    for (packages, expected) in plants {
        let refused = refused(&packages);
        assert!(refused.len() == 1 && refused[0].contains(expected), "{packages:?}: {refused:?}");
    }
}

#[test]
fn allowed_dependencies_pass() {
    let packages = [
        ("a", "1.0.0", Some("MIT OR GPL-3.0-only"), HERE),
        ("b", "1.0.0", Some("GPL-3.0-only/MIT"), HERE),
        ("c", "1.0.0", Some("Apache-2.0 WITH LLVM-exception"), HERE),
        ("old", "1.0.0", Some("MIT"), HERE),
        ("old", "2.0.0", Some("MIT"), HERE),
    ];
    assert_eq!(refused(&packages), Vec::<String>::new());
}

/// A misspelt key would be a rule that nobody holds.
#[test]
fn an_unknown_key_or_level_is_refused() {
    assert!(Policy::parse(&format!("{POLICY}\nlicences = 1")).is_err());
    assert!(Policy::parse(&POLICY.replace("unknown-git = \"deny\"", "unknown-git = \"warn\"")).is_err());
}
