//! With a broker: the tools against it, signals, and the directory it holds.

use rustix::process::Signal;

use crate::process::{Serving, TestDir, run, run_with_input};

#[test]
fn what_is_produced_is_consumed_also_after_a_kill() {
    let dir = TestDir::new("round-trip");
    let mut broker = Serving::start(&dir.path("data"));
    let at = |broker: &Serving| broker.address.clone();
    let address = at(&broker);
    let server = ["--bootstrap-server", &address];
    let created = run(&[&["topic", "create", "orders", "--partitions", "3"][..], &server].concat());
    assert_eq!((created.status, created.out.as_str()), (0, "topic orders: created\n"), "{}", created.err);
    let twice = run(&[&["topic", "create", "orders"][..], &server].concat());
    assert!(twice.err.contains("TOPIC_ALREADY_EXISTS (36)"), "{}", twice.err);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let input = format!("k:{codec}\nk:NIL\n");
        let arguments =
            ["produce", "orders", "-k", ":", "--null", "NIL", "-H", "h=x", "--timestamp", "5", "-c", codec];
        let produced = run_with_input(&[&arguments[..], &server].concat(), &input);
        assert_eq!(produced.out, "2 records in 1 batches to topic orders\n", "{}", produced.err);
    }
    broker.signal(Signal::KILL);
    broker.wait();

    let broker = Serving::start(&dir.path("data"));
    let address = at(&broker);
    let server = ["--bootstrap-server", &address];
    let arguments = [
        "consume",
        "orders",
        "-f",
        "-e",
        "--print-key",
        "--print-headers",
        "--print-timestamp",
        "--separator",
        " ",
    ];
    let consumed = run(&[&arguments[..], &server].concat());
    let expected: String = ["none", "gzip", "snappy", "lz4", "zstd"]
        .map(|codec| format!("5 h=x k {codec}\n5 h=x k null\n"))
        .concat();
    assert_eq!((consumed.status, consumed.out), (0, expected), "{}", consumed.err);
    let described = run(&[&["topic", "describe", "orders", "-o", "json"][..], &server].concat());
    let described: serde_json::Value = serde_json::from_str(&described.out).unwrap();
    let ends =
        described["partitions"].as_array().unwrap().iter().map(|p| p["highWaterMark"].as_i64().unwrap());
    assert_eq!(ends.sum::<i64>(), 10);
    let deleted = run(&[&["topic", "delete", "orders"][..], &server].concat());
    assert_eq!(deleted.out, "topic orders: deleted\n", "{}", deleted.err);
    let described = run(&[&["topic", "describe", "orders"][..], &server].concat());
    assert!(described.err.contains("UNKNOWN_TOPIC_OR_PARTITION (3)"), "{}", described.err);
}

#[test]
fn a_signal_ends_it_with_status_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = TestDir::new("signal");
        let mut broker = Serving::start(&dir.path("data"));
        broker.signal(signal);
        assert_eq!(broker.wait().code(), Some(0));
    }
}

#[test]
fn a_directory_in_use_is_refused_with_the_process_that_has_it() {
    let dir = TestDir::new("in-use");
    let broker = Serving::start(&dir.path("data"));
    let data_dir = dir.path("data");
    let second = run(&[
        "serve",
        "--port",
        "0",
        "--set",
        "logging.level=error",
        "--data-dir",
        data_dir.to_str().unwrap(),
    ]);
    let expected = format!(
        "takhin: data directory {}: in use by another process (pid {})\n",
        data_dir.display(),
        broker.pid()
    );
    assert_eq!((second.status, second.err), (1, expected));
}

#[test]
fn a_port_in_use_is_refused_in_one_line() {
    let dir = TestDir::new("port");
    let broker = Serving::start(&dir.path("data"));
    let port = broker.address.rsplit_once(':').unwrap().1;
    let other = dir.path("other");
    let second = run(&[
        "serve",
        "--port",
        port,
        "--set",
        "server.host=127.0.0.1",
        "--set",
        "metrics.enabled=false",
        "--set",
        "health.enabled=false",
        "--set",
        "logging.level=error",
        "--data-dir",
        other.to_str().unwrap(),
    ]);
    assert_eq!((second.status, second.err.lines().count()), (1, 1), "{}", second.err);
    assert!(second.err.contains(&broker.address), "{}", second.err);
}
