//! `takhin consume --group`: a member of a group that prints what its partitions hold.
//!
//! What was printed is committed every few seconds, when the group divides anew, and at the end, be it by a signal. So a
//! record may be printed twice when a member is killed, and none is left out. While standard output takes nothing, nothing is told to the
//! coordinator, and the group goes on without this member after its session's time.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Result;
use client::{At, Client, Member, MemberOptions, Offsets, Partitions, Standing};
use env::Instant;

use super::{Reading, ends};
use crate::{cli::ConsumeArgs, output, signals};

const COMMIT_EVERY: Duration = Duration::from_secs(5);

/// Runs `takhin consume --group`.
///
/// # Errors
/// What the broker says, or that the records can't be printed.
pub(super) fn run(arguments: &ConsumeArgs, group: &str) -> Result<()> {
    let stopped = signals::watch()?;
    let mut client = super::super::client(&arguments.cluster);
    let topic = client.topic(&arguments.topic)?;
    let all: Vec<i32> = topic.partitions.iter().map(|partition| partition.index).collect();
    let ends = if arguments.to_end { Some(ends(&mut client, &topic.name, all.iter())?) } else { None };
    let member = Member::new(MemberOptions {
        group: group.to_owned(),
        topics: vec![topic.name],
        session_timeout: Duration::from_millis(arguments.session_timeout_ms),
    });
    let mut session = Session {
        group,
        member,
        reading: Reading::new(arguments, ends),
        committed: BTreeMap::new(),
        last_commit: Instant::now(),
    };
    let read = session.read(&mut client, &stopped);
    // Also after an error, so that the others need not wait for the end of the session.
    let left = session.member.leave(&mut client);
    read?;
    Ok(left?)
}

/// A member, and what it reads.
struct Session<'a> {
    group: &'a str,
    member: Member,
    reading: Reading<'a>,
    /// What the group has as this member's partitions' offsets.
    committed: BTreeMap<i32, i64>,
    last_commit: Instant,
}

impl Session<'_> {
    /// Reads until the end, or until a signal comes.
    fn read(&mut self, client: &mut Client, stopped: &AtomicBool) -> Result<()> {
        self.join(client)?;
        while !stopped.load(Ordering::Relaxed) && self.reading.turn(client)?.is_continue() {
            let mut standing = Standing::Holds;
            if self.last_commit.elapsed() >= COMMIT_EVERY {
                standing = self.commit(client)?;
            }
            if standing == Standing::Holds {
                standing = self.member.beat(client)?;
            }
            if standing == Standing::Rejoin {
                // Until all have joined again the coordinator takes it; after that, others may have printed the same.
                self.commit(client)?;
                self.join(client)?;
            }
        }
        if self.commit(client)? == Standing::Rejoin {
            output::complain(
                "what was printed last is not committed: the group gave the partitions to others",
            );
        }
        Ok(())
    }

    /// Joins and begins where the group is in its partitions.
    fn join(&mut self, client: &mut Client) -> Result<()> {
        let arguments = self.reading.arguments;
        let assigned = self.member.join(client)?;
        let mut offsets = client.group_offsets(&[self.group.to_owned()].into())?;
        let committed = offsets.remove(self.group).unwrap_or_else(|| Ok(Offsets::new()))?;
        self.committed = committed.get(&arguments.topic).cloned().unwrap_or_default();
        let begin = self.first_offsets(client, &assigned)?;
        self.reading.begin(begin);
        self.last_commit = Instant::now();
        Ok(())
    }

    /// The committed offset of each partition; where there is none or its record is gone, what the command line says.
    fn first_offsets(&self, client: &mut Client, assigned: &Partitions) -> Result<BTreeMap<i32, i64>> {
        let arguments = self.reading.arguments;
        let (firsts, nexts) =
            (client.offsets(assigned, At::Earliest)?, client.offsets(assigned, At::Latest)?);
        let of = |offsets: &Offsets, index: i32| {
            offsets.get(&arguments.topic).and_then(|offsets| offsets.get(&index)).copied().unwrap_or(0)
        };
        let begin = |index: &i32| {
            let (first, next) = (of(&firsts, *index), of(&nexts, *index));
            let committed = self.committed.get(index).copied();
            let otherwise = if arguments.from_beginning { first } else { next };
            (*index, committed.filter(|offset| (first..=next).contains(offset)).unwrap_or(otherwise))
        };
        Ok(assigned.get(&arguments.topic).into_iter().flatten().map(begin).collect())
    }

    /// Commits what has changed since the last time.
    fn commit(&mut self, client: &mut Client) -> Result<Standing> {
        let printed = &self.reading.printed;
        let changed: BTreeMap<i32, i64> = printed
            .iter()
            .filter(|(partition, offset)| self.committed.get(partition) != Some(offset))
            .map(|(partition, offset)| (*partition, *offset))
            .collect();
        self.last_commit = Instant::now();
        if changed.is_empty() {
            return Ok(Standing::Holds);
        }
        let offsets = Offsets::from([(self.reading.arguments.topic.clone(), changed.clone())]);
        let standing = self.member.commit(client, &offsets)?;
        if standing == Standing::Holds {
            self.committed.extend(changed);
        }
        Ok(standing)
    }
}
