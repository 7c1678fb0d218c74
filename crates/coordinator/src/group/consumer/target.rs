//! The group's epoch, and what each member is to have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use wire::error::ErrorCode;
use wire::primitive::Uuid;

use super::assignor::{self, Reader};
use super::{ConsumerGroup, Names, Refusal, refusal};
use crate::group::{Step, Topics};
use crate::record::{ConsumerRecord, GroupEpoch, ResolvedRegex, TargetEpoch};

/// Bytes that a compiled expression may take.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl ConsumerGroup {
    /// Another epoch of the group.
    pub(super) fn advance(&mut self, step: &mut Step<'_>) {
        let metadata_hash = self.subscribed.metadata_hash(step.topics);
        let epoch = self.epoch.epoch.saturating_add(1);
        self.write(step, ConsumerRecord::Epoch(Some(GroupEpoch { epoch, metadata_hash })));
        step.out.rebalanced += 1;
    }

    /// Looks whether the topics that are read are still what they were; `has_changed`: a subscription is not.
    pub(super) fn refresh(&mut self, step: &mut Step<'_>, has_changed: bool) {
        let version = step.topics.version();
        let is_new = self.topics_version.replace(version) != Some(version);
        if is_new {
            self.resolve_all(step);
        }
        if self.epoch.epoch == 0 {
            // The first epoch of a group is its own, the next its first member's.
            self.advance(step);
        }
        if has_changed || is_new && self.subscribed.metadata_hash(step.topics) != self.epoch.metadata_hash {
            self.advance(step);
        }
    }

    fn resolve_all(&mut self, step: &mut Step<'_>) {
        let regexes: Vec<Arc<str>> = self.subscribed.regexes().keys().cloned().collect();
        for regex in regexes {
            self.resolve(step, &regex);
        }
    }

    /// Looks which topics an expression stands for; true when others than before.
    pub(super) fn resolve(&mut self, step: &mut Step<'_>, regex: &Arc<str>) -> bool {
        // It was one when it was subscribed to.
        let Ok(compiled) = compiled(regex) else { return false };
        let topics: Names = step.topics.names().into_iter().filter(|name| compiled.is_match(name)).collect();
        if self.subscribed.regexes().get(regex).is_some_and(|known| known.topics == topics) {
            return false;
        }
        let value = Some(ResolvedRegex { topics, timestamp_ms: step.now.wall_ms });
        self.write(step, ConsumerRecord::Regex { regex: regex.clone(), value });
        true
    }

    /// Computes what everybody is to have, while `asker` is answered, if that was done for an older epoch; in a large group not always at once: whoever is
    /// heard of later sees to it.
    pub(super) fn retarget(&mut self, step: &mut Step<'_>, asker: &Arc<str>) {
        let now = step.now.monotonic;
        if !self.has_to_assign() || !self.pace.allows(now) {
            return;
        }
        let mut counts: BTreeMap<Uuid, i32> = BTreeMap::new();
        let readers: Vec<Reader> =
            self.members.keys().map(|id| self.reader(id, asker, step.topics, &mut counts)).collect();
        let partitions: i32 = counts.values().sum();
        self.pace.charge(now, readers.len() + usize::try_from(partitions).unwrap_or(0));
        let targets = assignor::assign(self.assignor(step.settings), &readers, &counts);
        for (member, target) in targets {
            if self.targets.get(&member) != Some(&target) {
                self.write(step, ConsumerRecord::Target { member, value: Some(target) });
            }
        }
        let value = TargetEpoch { epoch: self.epoch.epoch, timestamp_ms: step.now.wall_ms };
        self.write(step, ConsumerRecord::TargetEpoch(Some(value)));
    }

    fn reader(
        &self,
        id: &Arc<str>,
        asker: &Arc<str>,
        topics: &dyn Topics,
        counts: &mut BTreeMap<Uuid, i32>,
    ) -> Reader {
        let member = &self.members[id];
        let names = self.subscribed.of(&member.subscription);
        let mut read = BTreeSet::new();
        for (topic, count) in names.filter_map(|name| topics.by_name(name)) {
            read.insert(topic);
            counts.insert(topic, count);
        }
        Reader {
            id: id.clone(),
            instance_id: member.subscription.instance_id.clone(),
            topics: read,
            before: self.targets.get(id).cloned().unwrap_or_default(),
            asks: id == asker,
        }
    }
}

/// An expression, which has to match a topic's whole name.
pub(super) fn compiled(regex: &str) -> Result<Regex, Refusal> {
    RegexBuilder::new(&format!("^(?:{regex})$")).size_limit(REGEX_BYTES_MAX).build().map_err(|_| {
        let message = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression.");
        refusal(ErrorCode::INVALID_REGULAR_EXPRESSION, message)
    })
}
