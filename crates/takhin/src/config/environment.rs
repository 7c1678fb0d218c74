//! `TAKHIN_*` variables as assignments: every key has one, its path in upper case with `_` for `.`.
//!
//! Names are resolved against the known keys, never by cutting them at `_`.

use super::{
    Assignment, Origin,
    rule::Raw,
    table::{KEYS, Key},
};

const PREFIX: &str = "TAKHIN_";

/// The variable of a key, by its name or an alias.
pub(crate) fn variable(path: &str) -> String {
    let word: String = path.chars().map(|c| if c == '.' { '_' } else { c.to_ascii_uppercase() }).collect();
    format!("{PREFIX}{word}")
}

/// What remains of an unknown variable when it is compared with keys.
pub(crate) fn without_prefix(variable: &str) -> &str {
    variable.strip_prefix(PREFIX).unwrap_or(variable)
}

/// Picks out our variables. One that names no key keeps its own name as key, to be refused.
pub(crate) fn assignments(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Assignment> {
    let ours = variables
        .into_iter()
        .filter(|(name, value)| name.starts_with(PREFIX) && !is_service_link(name, value));
    let mut assignments: Vec<Assignment> = ours
        .map(|(variable, value)| Assignment {
            key: path_of(&variable).map_or_else(|| variable.clone(), str::to_owned),
            raw: Raw::Text(value),
            origin: Origin::Environment { variable },
        })
        .collect();
    // The environment has no order of its own; errors come in a steady one.
    assignments.sort_by(|a, b| a.key.cmp(&b.key));
    assignments
}

fn path_of(name: &str) -> Option<&'static str> {
    let paths = |key: &'static Key| std::iter::once(key.path).chain(key.aliases.iter().copied());
    KEYS.iter().flat_map(paths).find(|path| variable(path) == name)
}

/// Kubernetes puts such variables into every pod beside a service that is called `takhin` or
/// `takhin-…`: they are nobody's setting. `TAKHIN_SERVER_PORT=tcp://10.0.0.7:9092` is one too.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_part = ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
        name.match_indices(protocol).any(|(at, _)| {
            let port = name[..at].rsplit('_').next().unwrap_or("");
            name[..at].contains("_PORT_") && port.parse::<u16>().is_ok()
        })
    });
    let is_of_service = name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT");
    (name.ends_with("_PORT") && is_address) || is_part || is_of_service
}
