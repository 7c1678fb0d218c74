#![allow(clippy::disallowed_methods)] // tests prepare directories as other programs would

use std::{
    fs,
    path::{Path, PathBuf},
};

use env::disk::RealDisk;

use super::data_dir::{DataDir, DataDirError};

/// An empty directory of this test's own, gone with the value.
struct TestDir(PathBuf);

impl TestDir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("takhin-data-dir-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Result<DataDir, DataDirError> {
    DataDir::open(&RealDisk, path, 1)
}

fn refusal(path: &Path) -> String {
    let text = open(path).expect_err("a refusal was expected").to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn a_missing_directory_is_made_and_keeps_its_identity() {
    let dir = TestDir::new("new");
    let path = dir.0.join("a/b");
    let first = open(&path).unwrap();
    assert!(first.is_new);
    assert_eq!(first.meta.cluster_id.len(), 22);
    assert_eq!(first.meta.node_id, 1);
    let meta = first.meta.clone();
    drop(first);
    let again = open(&path).unwrap();
    assert!(!again.is_new);
    assert_eq!(again.meta, meta);
}

#[test]
fn two_directories_are_two_clusters() {
    let (a, b) = (TestDir::new("id-a"), TestDir::new("id-b"));
    assert_ne!(open(&a.0).unwrap().meta.cluster_id, open(&b.0).unwrap().meta.cluster_id);
}

#[test]
fn a_directory_in_use_is_refused_with_the_process_id() {
    let dir = TestDir::new("in-use");
    let _held = open(&dir.0).unwrap();
    let expected =
        format!("data directory {}: in use by another process (pid {})", dir.0.display(), std::process::id());
    assert_eq!(refusal(&dir.0), expected);
}

// A crash between the first file and `meta` must not need a person.
#[test]
fn a_directory_whose_formatting_was_cut_off_is_formatted() {
    let dir = TestDir::new("cut-off");
    dir.write("LOCK", "77\n");
    dir.write("meta.new", "takhin data dir");
    fs::create_dir(dir.0.join("lost+found")).unwrap();
    assert!(open(&dir.0).unwrap().is_new);
    assert!(!dir.0.join("meta.new").exists());
}

#[test]
fn another_format_version_is_refused() {
    let dir = TestDir::new("version");
    for found in ["2", "0", "01", "x"] {
        dir.write("meta", &format!("takhin data directory\nformat.version={found}\nnothing we know\n"));
        assert!(
            refusal(&dir.0).ends_with(&format!("its format version is {found}, this binary reads version 1"))
        );
    }
}

#[test]
fn another_broker_id_is_refused() {
    let dir = TestDir::new("node");
    drop(open(&dir.0).unwrap());
    let error = DataDir::open(&RealDisk, &dir.0, 2).unwrap_err().to_string();
    assert!(error.ends_with("it belongs to kafka.broker.id 1, not 2"), "{error}");
}

// What is there may be all that somebody has.
#[test]
fn the_data_of_another_broker_is_refused_and_left_as_it_is() {
    let dir = TestDir::new("kafka");
    dir.write("meta.properties", "version=1\n");
    dir.write("orders-0/00000000000000000000.log", "");
    assert!(refusal(&dir.0).contains("the data of another broker (Apache Kafka) (it holds meta.properties)"));
    let mut names: Vec<_> = fs::read_dir(&dir.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["meta.properties", "orders-0"]);
}

#[test]
fn a_directory_that_is_not_empty_is_refused() {
    for name in ["orders-0/00000000000000000000.log", "raft/raft.db", "notes.txt"] {
        let dir = TestDir::new("foreign");
        dir.write(name, "");
        let found = name.split('/').next().unwrap();
        assert!(
            refusal(&dir.0).contains(&format!("not of this broker's format (it holds {found})")),
            "{name}"
        );
    }
}

#[test]
fn every_change_to_meta_is_refused() {
    let dir = TestDir::new("damaged");
    drop(open(&dir.0).unwrap());
    let good = fs::read_to_string(dir.0.join("meta")).unwrap();
    for len in 0..good.len() {
        dir.write("meta", &good[..len]);
        refusal(&dir.0);
    }
    for bad in [
        format!("{good}\n"),
        good.replace("node.id=1", "node.id=+1"),
        good.replace("node.id=1", "node.id=99999999999"),
        good.replace("node.id", "node"),
        good.replace('\n', "\r\n"),
        "\0".repeat(8192),
    ] {
        dir.write("meta", &bad);
        refusal(&dir.0);
    }
    dir.write("meta", &good);
    open(&dir.0).unwrap();
}

#[test]
fn a_path_that_is_no_directory_is_refused() {
    let dir = TestDir::new("file");
    dir.write("file", "");
    refusal(&dir.0.join("file"));
    refusal(&dir.0.join("file/below"));
}
