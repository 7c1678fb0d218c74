//! How clients' quotas and users' credentials change: what is changed together is changed whole or not at all.

use super::Node;
use crate::metadata::{Applied, QuotaChanges, QuotaEntity, Record, ScramCredential, ScramMechanism};
use crate::shard::outcome::ProposeError;

/// A user's credential by this mechanism becomes this one, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramAlteration {
    /// Whose.
    pub user: String,
    /// Those of other mechanisms stay.
    pub mechanism: ScramMechanism,
    /// The new one.
    pub credential: Option<ScramCredential>,
}

impl<W: 'static> Node<W> {
    /// Changes quotas of clients: new values by key, `None` for none. Whoever asks has checked them.
    ///
    /// # Errors
    /// When it was not committed, as far as is known.
    pub async fn alter_quotas(
        &self,
        alterations: Vec<(QuotaEntity, QuotaChanges)>,
    ) -> Result<(), ProposeError> {
        let record = |(entity, changes)| Record::QuotasChanged { entity, changes };
        self.change_together(alterations.into_iter().map(record)).await.map(|_| ())
    }

    /// Gives users credentials, or takes them away. Answered in order: false where there was none to be taken.
    ///
    /// # Errors
    /// When it was not committed, as far as is known.
    pub async fn alter_scram(&self, alterations: Vec<ScramAlteration>) -> Result<Vec<bool>, ProposeError> {
        let record = |ScramAlteration { user, mechanism, credential }| Record::ScramChanged {
            user,
            mechanism,
            credential,
        };
        let applied = self.change_together(alterations.into_iter().map(record)).await?;
        Ok(applied.iter().map(|applied| *applied == Applied::ScramChanged).collect())
    }
}
