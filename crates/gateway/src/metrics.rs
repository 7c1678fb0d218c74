//! `/metrics` and `/batching`: ask the broker, and write down what it said.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use broker::Observation;
use prometheus_client::encoding::prometheus_text;

use crate::batching::Batching;
use crate::doors::{Observed, Watched};
use crate::page;

pub(crate) fn routes(watched: Arc<Watched>) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/batching", get(batching)).with_state(watched)
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Response {
    match observe(&watched).await {
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
        Ok(observation) => {
            answer(prometheus_text::CONTENT_TYPE, page::text(observation, &watched).ok().map(Into::into))
        }
    }
}

async fn batching(State(watched): State<Arc<Watched>>) -> Response {
    match observe(&watched).await {
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
        Ok(observation) => {
            let batching = Batching::of(&observation, watched.began.elapsed());
            answer("application/json", serde_json::to_vec(&batching).ok())
        }
    }
}

fn answer(content_type: &'static str, text: Option<Vec<u8>>) -> Response {
    match text {
        Some(text) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
        None => (StatusCode::INTERNAL_SERVER_ERROR, "the counts could not be written\n").into_response(),
    }
}

/// How the broker stands, or why that is not known.
async fn observe(watched: &Watched) -> Result<Observation, &'static str> {
    match watched.observe().await {
        Observed::Starting => Err("the broker starts\n"),
        Observed::Stuck => Err("the broker does not answer\n"),
        Observed::Serving(observation) => Ok(*observation),
    }
}
