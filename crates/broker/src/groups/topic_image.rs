//! The topics that there are, as coordinators ask for them.

use std::rc::Rc;
use std::sync::Arc;

use cluster::metadata::Topic;
use coordinator::group::Topics;
use storage::id::TopicId;
use wire::primitive::Uuid;

use crate::server::Broker;

/// See the module's head.
pub(crate) struct TopicImage<'a>(pub(crate) &'a Rc<Broker>);

impl Topics for TopicImage<'_> {
    fn version(&self) -> u64 {
        self.0.node().image_version()
    }

    fn by_name(&self, name: &str) -> Option<(Uuid, i32)> {
        let count = |topic: &Arc<Topic>| i32::try_from(topic.shards.len()).unwrap_or(i32::MAX);
        self.0.node().image().topic(name).map(|topic| (Uuid(topic.id.0), count(topic)))
    }

    fn name_of(&self, id: Uuid) -> Option<Arc<str>> {
        self.0.node().image().topic_by_id(TopicId(id.0)).map(|topic| topic.name.clone())
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.0.node().image().topics().map(|topic| topic.name.clone()).collect()
    }
}
