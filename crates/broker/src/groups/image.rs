//! The topics that there are and what groups are set to, as coordinators ask for them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::metadata::Topic;
use coordinator::group::{At, GroupConfigs, Now, Topics};
use storage::id::TopicId;
use wire::primitive::Uuid;

use crate::server::Broker;

/// See the module's head.
pub(crate) struct GroupsImage<'a>(pub(crate) &'a Rc<Broker>);

impl GroupsImage<'_> {
    pub(super) fn at(&self, now: Now) -> At<'_> {
        At { now, topics: self, configs: self }
    }
}

impl Topics for GroupsImage<'_> {
    fn version(&self) -> u64 {
        self.0.node().image_version()
    }

    fn by_name(&self, name: &str) -> Option<(Uuid, i32)> {
        let count = |topic: &Arc<Topic>| i32::try_from(topic.shards.len()).unwrap_or(i32::MAX);
        self.0.node().image().topic(name).map(|topic| (Uuid(topic.id.0), count(topic)))
    }

    fn racks(&self, _topic: Uuid, _partition: i32) -> Vec<Arc<str>> {
        // A node alone has every replica.
        self.0.options.rack.iter().cloned().collect()
    }

    fn name_of(&self, id: Uuid) -> Option<Arc<str>> {
        self.0.node().image().topic_by_id(TopicId(id.0)).map(|topic| topic.name.clone())
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.0.node().image().topics().map(|topic| topic.name.clone()).collect()
    }
}

impl GroupConfigs for GroupsImage<'_> {
    fn session_timeout(&self, group: &str) -> Option<Duration> {
        self.0.options.group_config_bounds.session_timeout(&self.0.node().image(), group)
    }

    fn heartbeat_interval(&self, group: &str) -> Option<Duration> {
        self.0.options.group_config_bounds.heartbeat_interval(&self.0.node().image(), group)
    }
}
