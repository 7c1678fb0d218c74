//! `takhin data`: what it says of directories that are good, damaged, in use and none.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Serving, TestDir, run, run_with_input};

/// A directory that a broker was stopped in, with a topic large enough for an index.
fn used(dir: &TestDir) -> PathBuf {
    let data = dir.path("data");
    let mut broker = Serving::start(&data);
    let lines: String = (0..400).map(|number| format!("{number:04}{}\n", "x".repeat(2000))).collect();
    let server = ["--bootstrap-server", &broker.address];
    let produced = run_with_input(
        &[&["produce", "orders", "-p", "0", "--batch-bytes", "20000"][..], &server].concat(),
        &lines,
    );
    assert_eq!(produced.status, 0, "{}", produced.err);
    broker.signal(Signal::TERM);
    assert_eq!(broker.wait().code(), Some(0));
    data
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|has| has == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn verify(data: &Path) -> (i32, Value, String) {
    let said = run(&["data", "verify", data.to_str().unwrap(), "--output", "json"]);
    (said.status, serde_json::from_str(&said.out).unwrap_or(Value::Null), said.err)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_directory_that_was_left_in_order_is_good() {
    let dir = TestDir::new("data-good");
    let data = used(&dir);
    let (status, report, err) = verify(&data);
    assert_eq!((status, &report["damaged"], &err[..]), (0, &Value::Bool(false), ""), "{report:#}");
    assert_eq!(report["records"], 400);
    let counts: Vec<u64> =
        report["checked"].as_array().unwrap().iter().map(|part| part["files"].as_u64().unwrap()).collect();
    assert!(counts.iter().all(|count| *count > 0), "{report:#}");
    let table = run(&["data", "verify", data.to_str().unwrap()]);
    assert!(table.status == 0 && table.out.starts_with("CHECKED"), "{}", table.out);
}

// What was under way is a torn end somewhere, and no damage.
#[test]
fn a_directory_that_a_killed_broker_left_is_good() {
    let dir = TestDir::new("data-killed");
    let data = dir.path("data");
    for round in 0..2 {
        let mut broker = Serving::start(&data);
        let lines = "line\n".repeat(500);
        let server = ["--bootstrap-server", &broker.address];
        let produced =
            run_with_input(&[&["produce", "orders", "--batch-records", "7"][..], &server].concat(), &lines);
        assert_eq!(produced.status, 0, "{}", produced.err);
        broker.signal(Signal::KILL);
        broker.wait();
        let (status, report, _) = verify(&data);
        assert_eq!((status, &report["damaged"]), (0, &Value::Bool(false)), "round {round}: {report:#}");
    }
}

#[test]
fn each_damage_is_a_line_with_file_and_position_and_status_1() {
    let dir = TestDir::new("data-damaged");
    let data = used(&dir);
    let segment = files(&data.join("partitions"), "log").remove(0);
    let wal = files(&data.join("wal"), "wal").remove(0);
    flip(&segment, 5000);
    flip(&wal, 4096 + 60);
    let (status, report, err) = verify(&data);
    assert_eq!((status, &report["damaged"]), (1, &Value::Bool(true)), "{report:#}");
    let damages = report["damages"].as_array().unwrap();
    let of = |path: &Path| damages.iter().find(|damage| damage["file"] == path.to_str().unwrap());
    assert_eq!(of(&segment).unwrap()["position"], 0, "{report:#}");
    assert_eq!(of(&wal).unwrap()["position"], 4096, "{report:#}");
    assert!(err.starts_with(&format!("takhin: {}: ", data.display())) && err.lines().count() == 1, "{err}");
    let table = run(&["data", "verify", data.to_str().unwrap()]);
    let lines = table.out.lines().filter(|line| line.starts_with("damage: ")).count();
    assert_eq!((table.status, lines), (1, damages.len()));
}

// A script must not take what was not looked at for good, nor for damaged.
#[test]
fn what_cannot_be_checked_is_status_2_and_stays_as_it_was() {
    let dir = TestDir::new("data-unchecked");
    let (none, data) = (dir.path("none"), dir.path("data"));
    fs::create_dir(&none).unwrap();
    for path in [&none, &dir.path("missing")] {
        let (status, _, err) = verify(path);
        assert!(status == 2 && err.contains("no broker has used it"), "{err}");
    }
    assert_eq!(fs::read_dir(&none).unwrap().count(), 0, "no lock file is left behind");
    let broker = Serving::start(&data);
    let (status, _, err) = verify(&data);
    assert_eq!(status, 2);
    assert!(err.contains(&format!("in use by another process (pid {})", broker.pid())), "{err}");
}

#[test]
fn a_dump_shows_every_kind_of_file_line_by_line() {
    let dir = TestDir::new("data-dump");
    let data = used(&dir);
    let dump = |path: &Path, more: &[&str]| {
        let said = run(&[&["data", "dump", path.to_str().unwrap()][..], more].concat());
        assert_eq!(said.status, 0, "{}", said.err);
        said.out
    };
    let segment = files(&data.join("partitions"), "log").remove(0);
    let records = dump(&segment, &["--records", "-o", "json"]);
    let records: Vec<Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_kind = |kind: &str| records.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!(of_kind("record"), 400);
    assert_eq!(of_kind("record") + of_kind("batch"), records.len());
    assert!(dump(&files(&data.join("partitions"), "idx")[0], &[]).contains(" entry offset="));
    let checkpoint = dump(&data.join("checkpoint/checkpoint.log"), &[]);
    assert!(
        checkpoint.contains(" stored_end=400 ") && checkpoint.contains(" header version=2 "),
        "{checkpoint}"
    );
    let wal = dump(&files(&data.join("wal"), "wal")[0], &[]);
    assert!(wal.contains("0 file header ") && wal.contains(" what=Metadata at "), "{wal}");
    let unknown = run(&["data", "dump", data.join("meta").to_str().unwrap()]);
    assert_eq!(unknown.status, 2, "{}", unknown.err);
}
