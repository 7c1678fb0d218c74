//! Invariants of the Rust code: rules over what is left of a file without its comments and strings.

use super::tree::{File, Tree};
use super::{Finding, Rule};

pub(super) const RULES: &[Rule<Tree>] = &[
    Rule { name: "only-env-touches-the-world", find: only_env_touches_the_world },
    Rule { name: "raft-types-stay-in-consensus", find: raft_types_stay_in_consensus },
    Rule { name: "unsafe-is-argued-for", find: unsafe_is_argued_for },
    Rule { name: "queues-have-bounds", find: queues_have_bounds },
    Rule { name: "errors-are-mapped-once", find: errors_are_mapped_once },
];

/// What clippy's `disallowed-methods` cannot name whole (modules, types, crates), and what to use instead.
const WORLD: &[(&str, &str)] = &[
    ("std::fs", "env::disk"),
    ("std::net::Tcp", "env::net"),
    ("std::net::Udp", "env::net"),
    ("std::os::unix::net", "env::net"),
    ("std::process::Command", "nothing: the broker starts no process"),
    ("std::thread::Builder", "env::spawn_thread"),
    ("std::thread::park_timeout", "env::sleep or env::timeout"),
    ("std::thread::scope", "env::spawn_thread"),
    ("std::time::Instant", "env::Instant"),
    ("std::time::SystemTime", "env::WallTime"),
    ("tokio::fs", "env::disk"),
    ("tokio::net", "env::net"),
    ("tokio::process", "nothing: the broker starts no process"),
    ("tokio::runtime", "env::task"),
    ("tokio::task::spawn", "env::spawn_local"),
    ("tokio::time", "env::sleep or env::timeout"),
    ("rustix", "env"),
    ("libc", "env"),
    ("rand", "env::random"),
    ("fastrand", "env::random"),
    ("getrandom", "env::random"),
    ("RandomState", "env::random"),
    ("new_v4", "env::random"),
    ("now_v7", "env::random"),
    ("clippy::disallowed_methods", "env, which alone may allow it"),
    ("clippy::disallowed_types", "env, which alone may allow it"),
];

/// The one file that may turn errors into Kafka's codes, in each crate that does.
const ERROR_MAP: &str = "error_map.rs";

fn finding(file: &File, line: usize, text: impl Into<String>) -> Finding {
    Finding { path: file.path.clone(), line, text: text.into() }
}

/// Lines of code, counted from 1.
fn code_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.code.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// Whether `line` holds `path` as whole words: not the end of a longer name, nor, unless `path` is the beginning of one on
/// purpose (`tokio::task::spawn`), a part of one. `crate::rand` and `self.rand` are other things.
fn names(line: &str, path: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        let whole = path.contains("::") || !after.is_some_and(word);
        let root = path.contains("::")
            || path.starts_with("new_")
            || path.starts_with("now_")
            || path == "RandomState";
        let standing_free = !before.is_some_and(|c| word(c) || (!root && matches!(c, ':' | '.')));
        // A crate's name counts where a path begins with it.
        let crate_name = root || line[at + path.len()..].starts_with("::");
        whole && standing_free && crate_name
    })
}

fn only_env_touches_the_world(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let watched =
        |file: &&File| file.room().is_some_and(|room| room != "env") && file.is_rust() && !file.is_test();
    for file in tree.files().iter().filter(watched) {
        for (line, code) in
            code_lines(file).chain(imports(file).iter().map(|(line, path)| (*line, path.as_str())))
        {
            for (path, instead) in WORLD.iter().filter(|(path, _)| names(code, path)) {
                let text = format!("{path} is for env alone; instead: {instead}");
                found.push(finding(file, line, text));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Every path that a file's `use` items name, groups taken apart: `use std::{fs, io}` gives `std::fs` and `std::io`.
fn imports(file: &File) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut rest = file.code.as_str();
    while let Some(at) = rest.find("use ") {
        let line = file.code[..file.code.len() - rest.len() + at].matches('\n').count() + 1;
        let word_before = rest[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        rest = &rest[at + "use ".len()..];
        let end = rest.find(';').unwrap_or(rest.len());
        if !word_before {
            let item: String = rest[..end].split_whitespace().collect();
            flatten("", &item, &mut |path| paths.push((line, path)));
        }
    }
    paths
}

fn flatten(prefix: &str, item: &str, each: &mut impl FnMut(String)) {
    let Some((path, group)) = item.split_once('{') else {
        return each(format!("{prefix}{item}::"));
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut from) = (0_usize, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                if from < at {
                    flatten(&format!("{prefix}{path}"), &group[from..at], each);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

fn raft_types_stay_in_consensus(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let outside = |file: &&File| {
        let consensus = file.path.starts_with("crates/cluster/src/shard/consensus");
        file.room().is_some() && file.is_rust() && !consensus
    };
    for file in tree.files().iter().filter(outside) {
        for (line, code) in code_lines(file).filter(|(_, code)| code.contains("openraft")) {
            let text =
                format!("Raft's types stay under crates/cluster/src/shard/consensus*: {}", code.trim());
            found.push(finding(file, line, text));
        }
    }
    found
}

fn unsafe_is_argued_for(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    // The yardsticks of bench/ are copies with their own rules.
    for file in tree.files().iter().filter(|file| file.is_rust() && !file.path.starts_with("bench/")) {
        let argued = file.head().to_lowercase().contains("unsafe");
        for (line, code) in code_lines(file) {
            let word = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
            if word && !argued {
                let text = "unsafe code, and the file's head does not argue for it";
                found.push(finding(file, line, text));
            }
            if code.contains("allow(unsafe_code") && !(code.starts_with("#![") && argued) {
                let text = "unsafe_code is allowed for a whole file, by an inner attribute, where the head argues for it";
                found.push(finding(file, line, text));
            }
        }
    }
    found
}

fn queues_have_bounds(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files().iter().filter(|file| file.room().is_some() && file.is_rust() && !file.is_test())
    {
        for (line, code) in code_lines(file) {
            let code: String = code.split_whitespace().collect();
            // std's `channel()` has no bound, tokio's takes one, and a oneshot holds one value.
            let made = code.match_indices("channel").any(|(at, word)| {
                !code[..at].ends_with("oneshot::") && calls_without_argument(&code[at + word.len()..])
            });
            if made || code.contains("unbounded") {
                let text = "a queue without a bound; use sync_channel, a bounded channel, or count its bytes";
                found.push(finding(file, line, text));
            }
        }
    }
    found
}

/// `()` or `::<T>()` follows.
fn calls_without_argument(rest: &str) -> bool {
    let rest = match rest.strip_prefix("::<") {
        Some(generics) => {
            generics.rsplit_once(">(").map_or("", |(_, tail)| tail).strip_prefix(')').map(|_| "()")
        }
        None => Some(rest),
    };
    rest.is_some_and(|rest| rest.starts_with("()"))
}

fn errors_are_mapped_once(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let above_wire = |file: &&File| file.room().is_some_and(|room| room != "wire") && file.is_rust();
    for file in tree.files().iter().filter(above_wire) {
        let map = file.path.ends_with(ERROR_MAP);
        for (line, code) in code_lines(file) {
            let arm = code.trim_start();
            if map && (arm.starts_with("_ =>") || arm.starts_with("_ if ")) {
                let text = "the map from our errors to Kafka's codes names every error: no wildcard";
                found.push(finding(file, line, text));
            }
            if !map && code.contains("From<") && code.contains("for ErrorCode") {
                let text = format!("errors become Kafka's codes in {ERROR_MAP} only");
                found.push(finding(file, line, text));
            }
        }
    }
    found
}
