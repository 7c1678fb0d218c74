//! How configs change: of topics and of what else has some; what is changed together is changed whole or not at all.

use storage::id::TopicId;

use super::Node;
use crate::metadata::{Applied, ConfigChanges, ConfigKind, Record};
use crate::shard::outcome::ProposeError;

/// New values of a resource's configs by name, `None` for the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigAlteration {
    /// Of a topic.
    Topic(TopicId, ConfigChanges),
    /// Of what is no topic, by its name.
    Other(ConfigKind, String, ConfigChanges),
}

impl<W: 'static> Node<W> {
    /// Changes configs; whoever asks has checked them. Answered in order: false where there is no such topic.
    ///
    /// # Errors
    /// When it was not committed, as far as is known.
    pub async fn alter_configs(&self, alterations: Vec<ConfigAlteration>) -> Result<Vec<bool>, ProposeError> {
        let record = |alteration| match alteration {
            ConfigAlteration::Topic(id, changes) => Record::TopicConfigsChanged { id, changes },
            ConfigAlteration::Other(kind, name, changes) => Record::ConfigsChanged { kind, name, changes },
        };
        let applied = self.change_together(alterations.into_iter().map(record)).await?;
        // What was kept may be too old now, though nobody writes; a broker's configs are the defaults of topics.
        self.stir.stir();
        let is_changed = |applied: &Applied| *applied != Applied::TopicUnknown;
        Ok(applied.iter().map(is_changed).collect())
    }
}
