//! What tests with random lives share: a world that acts happen to, what may never happen to offsets and partitions, and a look
//! at whether lives are lived.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::command::*;
use super::desk_test::*;
use super::*;

/// A group, its members as clients are, and the log that is written.
pub(super) trait World: Sized {
    /// What happens to it.
    type Act: Clone + Debug + 'static;

    fn new() -> Self;

    /// It happens, and everybody reads what was answered.
    fn act(&mut self, act: &Self::Act);

    /// Asserts what holds at every moment.
    fn check(&mut self);
}

/// A world after all of this has happened to it.
pub(super) fn lived<W: World>(acts: &[W::Act]) -> W {
    let mut world = W::new();
    live(&mut world, acts);
    world
}

/// All of this happens to a world.
pub(super) fn live<W: World>(world: &mut W, acts: &[W::Act]) {
    for act in acts {
        world.act(act);
        world.check();
    }
}

/// So many lives of 200 acts, always the same ones.
pub(super) fn each_life<A: Clone + Debug + 'static>(
    lives: usize,
    act: impl Fn() -> BoxedStrategy<A>,
    mut live: impl FnMut(Vec<A>),
) {
    let mut runner = TestRunner::deterministic();
    for _ in 0..lives {
        live(proptest::collection::vec(act(), 200).new_tree(&mut runner).unwrap().current());
    }
}

/// Every moment of these lives: a property says something only if they come to what it is about.
pub(super) fn each_moment<W: World>(
    lives: usize,
    act: impl Fn() -> BoxedStrategy<W::Act>,
    mut look: impl FnMut(&W, &W::Act),
) {
    each_life(lives, act, |acts| {
        let mut world = W::new();
        for act in &acts {
            world.act(act);
            look(&world, act);
        }
    });
}

/// Nobody owns what somebody else owns: `owned` is who has what.
pub(super) fn assert_one_owner<P: Ord + Copy + Debug>(owned: impl Iterator<Item = (usize, P)>) {
    let mut owners = BTreeMap::new();
    for (who, partition) in owned {
        let other = owners.insert(partition, who);
        assert_eq!(other, None, "{partition:?} has two owners, one is {who}");
    }
}

/// A commit: who waits for it, what it says, and whether it was acknowledged.
struct Committed {
    ticket: Ticket,
    offset: i64,
    is_acknowledged: bool,
}

/// Commits of one partition, in their order.
#[derive(Default)]
pub(super) struct Commits(Vec<Committed>);

impl Commits {
    pub(super) fn ask(&mut self, desk: &mut Desk, member: &str, generation: i32, offset: i64) {
        let ticket = desk.ask(commit(member, generation, "t", offset));
        self.0.push(Committed { ticket, offset, is_acknowledged: false });
    }

    /// Reads what was answered; what was refused is forgotten.
    pub(super) fn collect(&mut self, desk: &mut Desk) {
        self.0.retain_mut(|commit| {
            let Some(reply) = desk.answer(commit.ticket) else { return true };
            commit.is_acknowledged = reply == Reply::CommitOffsets(Ok(vec![ErrorCode::NONE]));
            commit.is_acknowledged
        });
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.0.iter().filter(|commit| commit.is_acknowledged).count()
    }

    /// What a coordinator would read now has the last commit that was acknowledged, or one behind it.
    pub(super) fn check(&self, desk: &Desk) {
        let Some(last) = self.0.iter().rposition(|commit| commit.is_acknowledged) else { return };
        let again = replayed(&desk.settings, &desk.log);
        let found = again
            .summaries(usize::MAX)
            .next()
            .and_then(|group| group.offsets.first().map(|(_, _, offset)| *offset));
        let is_found = self.0[last..].iter().any(|commit| Some(commit.offset) == found);
        assert!(is_found, "a commit is lost: {found:?}");
    }
}
