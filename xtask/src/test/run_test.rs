use std::time::Instant;

use super::run::{Report, Runner};
use super::steps::{Command, Step};

const fn step(name: &'static str, commands: &'static [Command], needs: Option<&'static str>) -> Step {
    Step { name, says: "", commands, minutes_max: 1, needs }
}

const TRUE: &[Command] = &[Command { dir: ".", words: &["true"] }];
const FALSE_FIRST: &[Command] =
    &[Command { dir: ".", words: &["false"] }, Command { dir: ".", words: &["touch", "went-on"] }];
const LOUD: &[Command] = &[Command { dir: ".", words: &["echo", "ADVISORIES NOT CHECKED: no network"] }];
const TESTS: &[Command] =
    &[Command { dir: ".", words: &["echo", "test result: ok. 7 passed; 0 failed; 0 ignored"] }];
const HANGS: &[Command] = &[Command { dir: ".", words: &["sleep", "60"] }];
const MISSING: &[Command] = &[Command { dir: ".", words: &["no-such-program"] }];

/// A directory of its own for each test, gone at its end.
struct Root(std::path::PathBuf);

impl Root {
    fn new(name: &str) -> Root {
        let root = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        Root(root)
    }

    fn run(&self, steps: &[Step]) -> Report {
        let runner = Runner::new(&self.0).unwrap();
        let mut report = Report::default();
        for step in steps {
            runner.run(step, &mut report).unwrap();
        }
        report
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A test command that swallows a failure passes for ever.
#[test]
fn a_failed_step_is_counted_and_later_ones_run_unless_they_need_it() {
    let root = Root::new("fails");
    let steps = [
        step("a", FALSE_FIRST, None),
        step("b", TRUE, Some("a")),
        step("c", TRUE, Some("b")),
        step("d", TRUE, None),
        step("e", MISSING, None),
    ];
    let report = root.run(&steps);
    assert_eq!(report.failed(), 2);
    assert_eq!(report.to_string().lines().last(), Some("1 passed, 2 failed, 2 skipped"));
    assert!(!root.0.join("went-on").exists(), "a step goes on after a failed command");
}

/// The closing line is read by machines; what was not looked at is read by people.
#[test]
fn the_report_ends_with_the_counts_and_names_what_was_not_checked() {
    let report = Root::new("passes").run(&[step("a", LOUD, None), step("b", TESTS, Some("not-chosen"))]);
    let text = report.to_string();
    assert!(text.contains("\nADVISORIES NOT CHECKED: no network\n"), "{text}");
    assert!(text.contains("7 tests"), "{text}");
    assert_eq!(text.lines().last(), Some("2 passed, 0 failed"));
}

/// A broker that hangs must not hang the tests.
#[test]
fn what_hangs_is_ended() {
    let begin = Instant::now();
    let hangs = Step { minutes_max: 0, ..step("a", HANGS, None) };
    assert_eq!(Root::new("hangs").run(&[hangs]).failed(), 1);
    assert!(begin.elapsed().as_secs() < 30, "took {:?}", begin.elapsed());
}
