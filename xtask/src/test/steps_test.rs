use super::chosen;
use super::steps::STEPS;

/// `needs` looks back: a name that comes later, or never, would skip nothing.
#[test]
fn steps_need_only_what_comes_before() {
    for (at, step) in STEPS.iter().enumerate() {
        assert!(STEPS[..at].iter().all(|before| before.name != step.name), "{} is there twice", step.name);
        if let Some(need) = step.needs {
            assert!(STEPS[..at].iter().any(|before| before.name == need), "{} needs {need}", step.name);
        }
    }
}

#[test]
fn only_named_steps_are_chosen_in_the_tables_order() {
    let names: Vec<&str> = chosen(&["clippy", "fmt"]).unwrap().iter().map(|step| step.name).collect();
    assert_eq!(names, ["fmt", "clippy"]);
    assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
    assert!(chosen(&["ftm"]).unwrap_err().to_string().contains("ftm"));
}
