use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: BenchCommand,
}

fn refusal(line: &str) -> String {
    let words = std::iter::once("bench").chain(line.split(' '));
    let text = Line::try_parse_from(words).expect_err("refused").to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The first line is all that many people read: it has to name option, value and range.
#[test]
fn a_wrong_value_is_named_with_its_option_and_range() {
    for (line, says) in [
        ("produce --topic t --connections 0", "'0' for '--connections <N>': a whole number from 1 to 10000"),
        ("produce --topic t --batch x", "'x' for '--batch <RECORDS>': a whole number from 1 to 1000000"),
        ("produce --topic t --rate 0", "'0' for '--rate <RECORDS/S>': a number from 0.1 to 1000000000"),
        ("produce --topic t --duration NaN", "'NaN' for '--duration <S>': a number from 0.1 to 86400"),
        ("produce --topic t --acks 2", "'2' for '--acks <ACKS>': all, 1 or 0"),
        ("e2e --topic t --readers -1", "'-1'"),
        ("consume --topic t --answer-bytes 0", "'0' for '--answer-bytes <BYTES>': a whole number from 1 to"),
    ] {
        let text = refusal(line);
        assert!(text.contains(says), "{line}: {text}");
    }
}

#[test]
fn acks_minus_one_is_a_value_and_not_an_option() {
    let line = ["bench", "produce", "--topic", "t", "--acks", "-1"];
    let BenchCommand::Produce(arguments) = Line::try_parse_from(line).expect("fine").command else {
        panic!("produce was asked for");
    };
    assert_eq!(arguments.load.acks, client::Acks::All);
}
