//! How clients' quotas and users' credentials change.

use super::Node;
use crate::metadata::{Applied, QuotaChanges, QuotaEntity, Record, ScramCredential, ScramMechanism};
use crate::shard::outcome::ProposeError;

impl<W: 'static> Node<W> {
    /// Changes quotas of clients: new values by key, `None` for none. Whoever asks has checked them.
    ///
    /// # Errors
    /// When it was not committed, as far as is known.
    pub async fn alter_quotas(&self, entity: QuotaEntity, changes: QuotaChanges) -> Result<(), ProposeError> {
        self.change(Record::QuotasChanged { entity, changes }).await.map(|_| ())
    }

    /// Gives a user a credential, or takes it away; false where there was none to be taken.
    ///
    /// # Errors
    /// When it was not committed, as far as is known.
    pub async fn alter_scram(
        &self,
        user: String,
        mechanism: ScramMechanism,
        credential: Option<ScramCredential>,
    ) -> Result<bool, ProposeError> {
        let applied = self.change(Record::ScramChanged { user, mechanism, credential }).await?;
        Ok(applied == Applied::ScramChanged)
    }
}
