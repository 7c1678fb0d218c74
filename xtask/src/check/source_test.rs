use super::source::RULES;
use super::tree::Tree;

fn names_of(path: &str, text: &str) -> Vec<&'static str> {
    let tree = Tree::planted(&[(path, text)]);
    RULES.iter().flat_map(|rule| (rule.find)(&tree).into_iter().map(|_| rule.name)).collect()
}

const STORAGE: &str = "crates/storage/src/a.rs";

/// A rule that reads code as text could pass for any spelling that its author did not think of.
#[test]
fn every_rule_reports_its_plants() {
    let plants = [
        ("only-env-touches-the-world", STORAGE, "fn f() { std::fs::metadata(p); }"),
        ("only-env-touches-the-world", STORAGE, "use std::{\n    fs,\n    io,\n};"),
        ("only-env-touches-the-world", STORAGE, "use std::{io, net::{IpAddr, TcpListener}};"),
        ("only-env-touches-the-world", STORAGE, "use std::time::{Duration, Instant};"),
        ("only-env-touches-the-world", STORAGE, "let x = rand::random();"),
        ("only-env-touches-the-world", STORAGE, "tokio::task::spawn_blocking(f);"),
        ("only-env-touches-the-world", STORAGE, "rustix::fs::open(p);"),
        ("only-env-touches-the-world", STORAGE, "use rustix::fs;"),
        ("only-env-touches-the-world", STORAGE, "let id = Uuid::new_v4();"),
        ("only-env-touches-the-world", STORAGE, "#[allow(clippy::disallowed_methods)]"),
        ("raft-types-stay-in-consensus", "crates/cluster/src/shard/propose.rs", "use openraft::Raft;"),
        ("raft-types-stay-in-consensus", "crates/broker/src/a.rs", "fn f() -> openraft::LogId {}"),
        ("unsafe-is-argued-for", STORAGE, "//! A file.\nfn f() { unsafe { g() } }"),
        ("unsafe-is-argued-for", STORAGE, "//! Why unsafe is needed.\n#[allow(unsafe_code)]\nfn f() {}"),
        ("unsafe-is-argued-for", "sim/src/a.rs", "//! A file.\n#![allow(unsafe_code)]"),
        ("queues-have-bounds", STORAGE, "let (a, b) = mpsc::unbounded_channel();"),
        ("queues-have-bounds", STORAGE, "let (a, b) = mpsc::channel();"),
        ("queues-have-bounds", STORAGE, "let (a, b) = std::sync::mpsc::channel::<Vec<u8>>();"),
        (
            "errors-are-mapped-once",
            "crates/broker/src/error_map.rs",
            "match e {\n    _ => ErrorCode::NONE,\n}",
        ),
        ("errors-are-mapped-once", "crates/broker/src/a.rs", "impl From<AppendError> for ErrorCode {}"),
    ];
    for (rule, path, text) in plants {
        assert_eq!(names_of(path, text), [rule], "{text}");
    }
    for rule in RULES {
        assert!(plants.iter().any(|(planted, ..)| *planted == rule.name), "{} has no plant", rule.name);
    }
}

/// A rule that refuses what is allowed would be switched off by the first person it meets.
#[test]
fn allowed_code_passes() {
    for (path, text) in [
        ("crates/env/src/disk/real.rs", "use std::fs;\nuse rustix::fs::open;"),
        (STORAGE, "//! Not `std::fs`.\n// std::fs\nlet s = \"std::fs::read\";"),
        (STORAGE, "use std::net::{IpAddr, SocketAddr};\nuse std::time::Duration;"),
        (STORAGE, "use crate::rand::Dice;\nself.rand.next();\nlet operand = 1; grand::x();"),
        (STORAGE, "use env::random;\nuse tokio::sync::mpsc;\nlet (a, b) = mpsc::channel(16);"),
        (
            STORAGE,
            "let (a, b) = mpsc::channel::<Vec<u8>>(16);\nlet (a, b) = mpsc::sync_channel(16);\nself.channel(x)",
        ),
        (
            STORAGE,
            "//! Needs unsafe because a page must be aligned.\n#![allow(unsafe_code)]\nunsafe fn f() {}",
        ),
        ("crates/storage/tests/wal.rs", "use std::fs;"),
        ("crates/storage/src/wal/a_test.rs", "use std::fs;"),
        ("crates/cluster/src/shard/consensus/store.rs", "use openraft::Raft;"),
        ("sim/src/main.rs", "use std::fs;\nuse openraft::Raft;"),
        ("crates/broker/src/a.rs", "match x {\n    _ => 1,\n}"),
        ("crates/broker/src/error_map.rs", "impl From<AppendError> for ErrorCode {}"),
        ("crates/wire/src/error.rs", "impl From<i16> for ErrorCode {}"),
    ] {
        assert_eq!(names_of(path, text), Vec::<&str>::new(), "{text}");
    }
}
