//! Without a broker: settings, refusals, exit status.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::process::{TestDir, run, said, takhin};

#[test]
fn a_refusal_is_one_line_and_status_1() {
    let dir = TestDir::new("refusal");
    let file = dir.write("t.yaml", "server:\n  port: 70000\n");
    let file = file.to_str().unwrap();
    let expected =
        format!("takhin: server.port: \"70000\" ({file}:2): allowed is an integer from 0 to 65535\n");
    // The last three are what scripts of the earlier broker have.
    for arguments in [
        vec!["serve", "--config", file],
        vec!["config", "check", file],
        vec!["config", "show", "-c", file],
        vec!["--config", file],
        vec!["-config", file],
        vec![&*format!("-config={file}")],
    ] {
        let said = run(&arguments);
        assert_eq!((said.status, &said.out, &said.err), (1, &String::new(), &expected), "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_status_2() {
    for arguments in [
        &["nonsense"][..],
        &["serve", "--nonsense"],
        &["serve", "--set", "no-equals-sign"],
        &["serve", "--set", "server.port=x"],
        &["serve", "--set", "no.such.key=1"],
        &["config", "check"],
        &["topic", "create"],
        &["topic", "create", "t", "--partitions", "0"],
        &["topic", "delete"],
        &["topic", "list", "--bootstrap-server", "no-port"],
        &["produce"],
        &["produce", "t", "--acks", "2"],
        &["produce", "t", "--compression", "zip"],
        &["consume", "t", "--partition", "x"],
        &["consume", "t", "--offset", "-5"],
        &["consume", "t", "--offset", "3", "--from-beginning"],
        &["consume", "t", "--group", "g", "--partition", "0"],
        &["consume", "t", "--session-timeout-ms", "6000"],
        &["group", "describe"],
        &["group", "describe", "g", "--all"],
        &["group", "delete"],
        &["group", "delete-offsets", "g"],
        &["group", "reset", "g", "--topic", "t"],
        &["group", "reset", "g", "--topic", "t", "--to-earliest", "--to-latest"],
        &["group", "reset", "g", "--topic", "t", "--to-time", "yesterday"],
        &["topic", "config", "get", "t"],
        &["completions", "tcsh"],
    ] {
        let said = run(arguments);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{arguments:?}: {}", said.err);
        assert!(!said.err.is_empty() && !said.err.contains("panicked"), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn a_broker_that_is_not_there_is_one_line_and_status_1() {
    for arguments in [
        &["topic", "list"][..],
        &["topic", "create", "t"],
        &["topic", "delete", "t"],
        &["topic", "describe", "t"],
        &["produce", "t"],
        &["consume", "t"],
        &["consume", "t", "--group", "g"],
        &["cluster", "describe"],
        &["topic", "config", "list", "t"],
        &["group", "list"],
        &["group", "describe", "g"],
        &["group", "describe", "--all"],
        &["group", "delete", "g"],
        &["group", "delete-offsets", "g", "--topic", "t"],
        &["group", "reset", "g", "--topic", "t", "--to-latest"],
        &["group", "export", "g"],
    ] {
        let said = run(&[arguments, &["--bootstrap-server", "127.0.0.1:1"]].concat());
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{arguments:?}");
        assert!(said.err.starts_with("takhin: cannot connect to 127.0.0.1:1: "), "{}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
}

#[test]
fn config_check_tells_every_fault() {
    let dir = TestDir::new("check");
    let good = dir.write("good.yaml", "kafka: {num.partitions: 3}\n");
    let checked = run(&["config", "check", good.to_str().unwrap()]);
    assert_eq!((checked.status, checked.out), (0, format!("{}: valid\n", good.display())));
    let bad = dir.write("bad.yaml", "server.port: x\nno.such.key: 1\nlogging: {level: loud}\n");
    let checked = run(&["config", "check", bad.to_str().unwrap()]);
    assert_eq!((checked.status, checked.err.lines().count()), (1, 3), "{}", checked.err);
    // A start says the first, and that there are more.
    let served = run(&["serve", "--config", bad.to_str().unwrap()]);
    assert!(served.err.ends_with("(and 2 more)\n"), "{}", served.err);
    assert_eq!(served.err.lines().count(), 1);
}

#[test]
fn config_show_says_where_each_value_comes_from() {
    let dir = TestDir::new("show");
    let file = dir.write("t.yaml", "kafka.num.partitions: 3\nserver.port: 1\nlogging.level: warn\n");
    let file = file.to_str().unwrap();
    let mut command =
        takhin(&["config", "show", "--config", file, "--set", "logging.level=debug", "--output", "json"]);
    let said = said(&command.env("TAKHIN_SERVER_PORT", "2").output().unwrap());
    assert_eq!(said.status, 0, "{}", said.err);
    let rows: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let row = |key: &str| rows.as_array().unwrap().iter().find(|row| row["key"] == key).unwrap().clone();
    for (key, value, from) in [
        ("kafka.num.partitions", "3", format!("{file}:1")),
        ("server.port", "2", "environment TAKHIN_SERVER_PORT".to_owned()),
        ("logging.level", "debug", "command line".to_owned()),
        ("kafka.broker.id", "1", "default".to_owned()),
    ] {
        assert_eq!(
            (row(key)["value"].as_str(), row(key)["from"].as_str()),
            (Some(value), Some(&*from)),
            "{key}"
        );
    }
}

// A script wants the value and nothing else, under whichever name it knows it.
#[test]
fn config_get_prints_one_value() {
    let get = |key| run(&["config", "get", key, "--set", "kafka.message.max.bytes=5000"]);
    for key in ["kafka.max.message.bytes", "kafka.message.max.bytes"] {
        assert_eq!((get(key).status, get(key).out), (0, "5000\n".to_owned()), "{key}");
    }
    let said = get("kafka.max.mesage.bytes");
    assert_eq!((said.status, said.out), (2, String::new()));
    assert!(said.err.contains("nearest known key: kafka.max.message.bytes"), "{}", said.err);
}

// `println!` would panic.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = takhin(&["config", "show"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_version_is_told() {
    for arguments in [&["version"][..], &["--version"], &["-V"]] {
        assert_eq!(run(arguments).out, format!("takhin {}\n", env!("CARGO_PKG_VERSION")));
    }
    assert!(run(&["version", "-o", "json"]).out.contains("\"version\""));
}

#[test]
fn shells_are_told_how_to_complete() {
    for (shell, mark) in
        [("bash", "complete -F _takhin"), ("zsh", "#compdef takhin"), ("fish", "complete -c takhin")]
    {
        let said = run(&["completions", shell]);
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(said.out.contains(mark) && said.out.contains("delete-offsets"), "{shell}");
    }
}

#[test]
fn a_directory_of_another_broker_is_refused_in_one_line() {
    let dir = TestDir::new("foreign");
    dir.write("meta.properties", "cluster.id=x\n");
    let path = dir.path("");
    let mut child = takhin(&["serve", "--port", "0", "--data-dir"]).arg(&path).spawn().unwrap();
    let lines: Vec<String> = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .filter(|l| l.starts_with("takhin: "))
        .collect();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("the data of another broker (Apache Kafka)"), "{lines:?}");
}
