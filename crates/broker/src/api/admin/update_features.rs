//! UpdateFeatures: key 57, versions 0–2, flexible. Upgrade types and validation only since 1, no answer per feature since 2.
//!
//! The features that there are have one level each (`api::FEATURES`), so that an update that changes anything is refused: the whole request, with
//! the first one's text; for features that it has not, in Kafka's words.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::update_features::{FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::api::FEATURES;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Upgrade types, by Kafka's numbers.
const UPGRADE_TYPES: std::ops::RangeInclusive<i8> = 1..=3;

/// Updates features.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: UpdateFeaturesRequest<'_>,
) -> UpdateFeaturesResponse<'a> {
    let Some(update) = request.feature_updates.iter().find(|update| !is_in_force(update)) else {
        return UpdateFeaturesResponse { error_message: None, ..UpdateFeaturesResponse::default() };
    };
    let why = why_not(&update, broker.node().broker_id());
    let message = format!(
        "The update failed for all features since the following feature had an error: Invalid update version {} for \
         feature {}. {why}",
        update.max_version_level, update.feature
    );
    UpdateFeaturesResponse {
        error_code: ErrorCode::INVALID_UPDATE_VERSION.code(),
        error_message: Some(message.into()),
        ..UpdateFeaturesResponse::default()
    }
}

/// Whether an update asks for what is.
fn is_in_force(update: &FeatureUpdateKey<'_>) -> bool {
    UPGRADE_TYPES.contains(&update.upgrade_type)
        && FEATURES.contains(&(&*update.feature, update.max_version_level))
}

fn why_not(update: &FeatureUpdateKey<'_>, broker_id: i32) -> String {
    if !UPGRADE_TYPES.contains(&update.upgrade_type) {
        return "The controller does not support the given upgrade type.".to_owned();
    }
    if let Some((_, level)) = FEATURES.iter().find(|(name, _)| *name == update.feature) {
        return format!("Local controller {broker_id} only supports version {level}.");
    }
    match update.max_version_level {
        ..0 => "A feature version cannot be less than 0.".to_owned(),
        0 => format!("Feature {} not found.", update.feature),
        _ => format!("Local controller {broker_id} does not support this feature."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_of_what_is_not_there_is_refused_in_kafkas_words() {
        // Taken from a running Kafka 4.3.1.
        let why = |max_version_level, upgrade_type| {
            let feature = "no.such".into();
            let update =
                FeatureUpdateKey { feature, max_version_level, upgrade_type, ..FeatureUpdateKey::default() };
            why_not(&update, 9)
        };
        assert_eq!(why(1, 1), "Local controller 9 does not support this feature.");
        assert_eq!(why(0, 2), "Feature no.such not found.");
        assert_eq!(why(-1, 3), "A feature version cannot be less than 0.");
        for unknown in [0, 4, -1] {
            assert_eq!(why(-1, unknown), "The controller does not support the given upgrade type.");
        }
    }
}
