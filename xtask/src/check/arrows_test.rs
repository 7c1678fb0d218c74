use super::arrows::RULES;
use crate::graph::{Graph, Kind};

fn names_of(graph: &Graph) -> Vec<&'static str> {
    RULES.iter().flat_map(|rule| (rule.find)(graph).into_iter().map(|_| rule.name)).collect()
}

/// A rule over the graph could pass because it looks at the wrong field of cargo's answer.
#[test]
fn every_rule_reports_its_plants() {
    let plants: &[(&str, Graph)] = &[
        ("arrows-point-down", Graph::planted(&[("storage", &[(Kind::Normal, "broker")]), ("broker", &[])])),
        ("arrows-point-down", Graph::planted(&[("wire", &[(Kind::Dev, "env")]), ("env", &[])])),
        (
            "nothing-uses-what-stands-beside",
            Graph::planted(&[("storage", &[(Kind::Dev, "sim")]), ("sim", &[])]),
        ),
        ("every-crate-has-a-room", Graph::planted(&[("toolbox", &[])])),
        (
            "pure-rooms-have-no-runtime",
            Graph::planted(&[
                ("wire", &[(Kind::Normal, "external.harmless")]),
                ("external.harmless", &[(Kind::Build, "external.tokio")]),
                ("external.tokio", &[]),
            ]),
        ),
        (
            "raft-lives-in-cluster",
            Graph::planted(&[("broker", &[(Kind::Normal, "external.openraft")]), ("external.openraft", &[])]),
        ),
    ];
    for (rule, graph) in plants {
        assert_eq!(names_of(graph), [*rule], "planted for {rule}");
    }
    for rule in RULES {
        assert!(plants.iter().any(|(planted, _)| *planted == rule.name), "{} has no plant", rule.name);
    }
}

/// A rule that refuses what is allowed would be switched off by the first person it meets.
#[test]
fn allowed_arrows_pass() {
    let graph = Graph::planted(&[
        ("takhin", &[(Kind::Normal, "broker")]),
        ("broker", &[(Kind::Normal, "cluster"), (Kind::Normal, "wire")]),
        ("cluster", &[(Kind::Normal, "external.openraft"), (Kind::Normal, "storage")]),
        ("storage", &[(Kind::Normal, "wire"), (Kind::Normal, "env")]),
        ("env", &[(Kind::Normal, "external.tokio")]),
        ("sim", &[(Kind::Normal, "cluster"), (Kind::Normal, "external.openraft")]),
        ("wire", &[(Kind::Dev, "external.tokio")]),
        ("external.openraft", &[(Kind::Normal, "external.tokio")]),
        ("external.tokio", &[]),
    ]);
    assert_eq!(names_of(&graph), Vec::<&str>::new());
}
