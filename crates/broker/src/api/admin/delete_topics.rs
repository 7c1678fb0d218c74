//! DeleteTopics: key 20, versions 1–6. Flexible since 4, with messages since 5; 6 takes names and ids.
//!
//! Answered when the deletion is committed, so `timeout_ms` is not looked at. Checks and texts are Kafka's. Where it differs
//! from Kafka 4.3.1: topics are answered in the order of the request, a duplicate once at its first place.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use cluster::metadata::Topic;
use rustc_hash::FxBuildHasher;
use storage::id::TopicId;
use wire::error::ErrorCode;
use wire::message::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use wire::primitive::Uuid;

use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::error_map;
use crate::groups;
use crate::server::Broker;

/// The first version that names topics by id too.
const TOPIC_IDS_SINCE: i16 = 6;

/// Deletes topics.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: DeleteTopicsRequest<'a>,
) -> DeleteTopicsResponse<'a> {
    let states: Vec<DeleteTopicState<'a>> = if caller.version >= TOPIC_IDS_SINCE {
        request.topics.iter().take(NAMED_MAX).collect()
    } else {
        let by_name = |name| DeleteTopicState { name: Some(name), topic_id: Uuid::ZERO };
        request.topic_names.iter().take(NAMED_MAX).map(by_name).collect()
    };
    if !broker.options.topics_may_be_deleted {
        let responses = states.iter().map(|state| disabled(caller.version, state)).collect();
        return DeleteTopicsResponse { throttle_time_ms: 0, responses };
    }
    let mut names = Seen::of(states.iter().filter_map(|state| state.name.as_deref()));
    let mut ids = Seen::of(states.iter().map(|state| state.topic_id).filter(|id| *id != Uuid::ZERO));
    let mut responses = Vec::with_capacity(states.len());
    for state in &states {
        let response = match (state.name.as_deref(), state.topic_id) {
            (None, Uuid::ZERO) => invalid(state, "Neither topic name nor id were specified."),
            (Some(_), id) if id != Uuid::ZERO => {
                invalid(state, "You may not specify both topic name and topic id.")
            }
            (Some(name), _) => match names.times(&name) {
                Times::Once => delete_by_name(broker, state, name, &ids).await,
                Times::First => invalid(state, "Duplicate topic name."),
                Times::Again => continue,
            },
            (None, id) => match ids.times(&id) {
                // As in Kafka, a topic that is named both ways is answered once, and stays.
                Times::Once if is_named_once(broker, id, &names) => continue,
                Times::Once => delete_by_id(broker, state, id).await,
                Times::First => invalid(state, "Duplicate topic id."),
                Times::Again => continue,
            },
        };
        responses.push(response);
    }
    DeleteTopicsResponse { throttle_time_ms: 0, responses: responses.into() }
}

fn is_named_once(broker: &Rc<Broker>, id: Uuid, names: &Seen<&str>) -> bool {
    broker.node().image().topic_by_id(TopicId(id.0)).is_some_and(|topic| names.is_once(&&*topic.name))
}

async fn delete_by_name<'a>(
    broker: &Rc<Broker>,
    state: &DeleteTopicState<'a>,
    name: &str,
    ids: &Seen<Uuid>,
) -> DeletableTopicResult<'a> {
    let found = broker.node().image().topic(name).cloned();
    let Some(topic) = found else {
        return refused(
            state,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "This server does not host this topic-partition.",
        );
    };
    let id = Uuid(topic.id.0);
    if ids.contains(&id) {
        let state = DeleteTopicState { name: state.name.clone(), topic_id: id };
        return invalid(&state, "The provided topic name maps to an ID that was already supplied.");
    }
    delete(broker, state, &topic).await
}

async fn delete_by_id<'a>(
    broker: &Rc<Broker>,
    state: &DeleteTopicState<'a>,
    id: Uuid,
) -> DeletableTopicResult<'a> {
    let found = broker.node().image().topic_by_id(TopicId(id.0)).cloned();
    match found {
        Some(topic) => delete(broker, state, &topic).await,
        None => refused(state, ErrorCode::UNKNOWN_TOPIC_ID, "This server does not host this topic ID."),
    }
}

/// Kafka's answer where topics may not be deleted: older clients don't know the code.
fn disabled<'a>(version: i16, state: &DeleteTopicState<'a>) -> DeletableTopicResult<'a> {
    const CODE_SINCE: i16 = 3;
    let error =
        if version < CODE_SINCE { ErrorCode::INVALID_REQUEST } else { ErrorCode::TOPIC_DELETION_DISABLED };
    DeletableTopicResult {
        name: state.name.clone(),
        topic_id: state.topic_id,
        error_code: error.code(),
        ..DeletableTopicResult::default()
    }
}

async fn delete<'a>(
    broker: &Rc<Broker>,
    state: &DeleteTopicState<'a>,
    topic: &Arc<Topic>,
) -> DeletableTopicResult<'a> {
    match broker.node().delete_topic(topic.id).await {
        Ok(()) => {
            groups::topic_deleted(broker, &topic.name).await;
            DeletableTopicResult {
                name: Some(topic.name.to_string().into()),
                topic_id: Uuid(topic.id.0),
                ..DeletableTopicResult::default()
            }
        }
        Err(error) => refused(state, error_map::delete_topic(&error), &error.to_string()),
    }
}

fn invalid<'a>(state: &DeleteTopicState<'a>, message: &str) -> DeletableTopicResult<'a> {
    refused(state, ErrorCode::INVALID_REQUEST, message)
}

fn refused<'a>(state: &DeleteTopicState<'a>, error: ErrorCode, message: &str) -> DeletableTopicResult<'a> {
    DeletableTopicResult {
        name: state.name.clone(),
        topic_id: state.topic_id,
        error_code: error.code(),
        error_message: Some(message.to_owned().into()),
    }
}

/// How often something is in the request, and whether its turn has been.
enum Times {
    Once,
    /// More than once, and this is the first.
    First,
    Again,
}

struct Seen<T>(HashMap<T, (usize, bool), FxBuildHasher>);

impl<T: Eq + Hash> Seen<T> {
    fn of(all: impl Iterator<Item = T>) -> Self {
        let mut seen: HashMap<T, (usize, bool), FxBuildHasher> = HashMap::default();
        all.for_each(|one| seen.entry(one).or_default().0 += 1);
        Self(seen)
    }

    fn contains(&self, one: &T) -> bool {
        self.0.contains_key(one)
    }

    fn is_once(&self, one: &T) -> bool {
        matches!(self.0.get(one), Some((1, _)))
    }

    fn times(&mut self, one: &T) -> Times {
        match self.0.get_mut(one) {
            None | Some((1, _)) => Times::Once,
            Some((_, true)) => Times::Again,
            Some((_, was_answered)) => {
                *was_answered = true;
                Times::First
            }
        }
    }
}
