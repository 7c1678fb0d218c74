//! Who may depend on whom: rules over the dependency graph.

use super::rooms::{ASYNC_RUNTIMES, BESIDE, room_of};
use super::{Finding, Rule};
use crate::graph::{Graph, Package};

pub(super) const RULES: &[Rule<Graph>] = &[
    Rule { name: "arrows-point-down", find: arrows_point_down },
    Rule { name: "nothing-uses-what-stands-beside", find: nothing_uses_what_stands_beside },
    Rule { name: "every-crate-has-a-room", find: every_crate_has_a_room },
    Rule { name: "pure-rooms-have-no-runtime", find: pure_rooms_have_no_runtime },
    Rule { name: "raft-lives-in-cluster", find: raft_lives_in_cluster },
];

fn finding(package: &Package, text: String) -> Finding {
    Finding { path: package.manifest.clone(), line: 0, text }
}

fn arrows_point_down(graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in graph.members() {
        let Some(room) = room_of(&package.name) else { continue };
        for (_, used) in
            graph.uses(package).filter(|(_, used)| room_of(&used.name).is_some() && used.source.is_none())
        {
            if !room.may_use.contains(&used.name.as_str()) {
                let text = format!("{} may not use {}: it may use {:?}", room.name, used.name, room.may_use);
                found.push(finding(package, text));
            }
        }
    }
    found
}

fn nothing_uses_what_stands_beside(graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in graph.members().filter(|package| !BESIDE.contains(&package.name.as_str())) {
        for (_, used) in graph.uses(package).filter(|(_, used)| used.source.is_none()) {
            if BESIDE.contains(&used.name.as_str()) {
                let text = format!("{} stands beside the stack: {} may not use it", used.name, package.name);
                found.push(finding(package, text));
            }
        }
    }
    found
}

fn every_crate_has_a_room(graph: &Graph) -> Vec<Finding> {
    let homeless =
        |package: &&Package| room_of(&package.name).is_none() && !BESIDE.contains(&package.name.as_str());
    let text =
        |package: &Package| format!("{} has no room: add it to xtask/src/check/rooms.rs", package.name);
    graph.members().filter(homeless).map(|p| finding(p, text(p))).collect()
}

fn pure_rooms_have_no_runtime(graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in graph.members().filter(|package| room_of(&package.name).is_some_and(|room| room.pure)) {
        let runtime = |used: &Package| used.source.is_some() && ASYNC_RUNTIMES.contains(&used.name.as_str());
        if let Some(way) = graph.way_to(package, runtime) {
            let text = format!("an async runtime reaches a pure room: {}", way.join(" -> "));
            found.push(finding(package, text));
        }
    }
    found
}

fn raft_lives_in_cluster(graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    let outside = |package: &&Package| package.name != "cluster" && !BESIDE.contains(&package.name.as_str());
    for package in graph.members().filter(outside) {
        for (_, used) in graph.uses(package).filter(|(_, used)| used.name.starts_with("openraft")) {
            let text = format!("{} is used by cluster only, behind cluster::shard", used.name);
            found.push(finding(package, text));
        }
    }
    found
}
