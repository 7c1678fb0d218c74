//! `/metrics`: asks the broker, and writes down what it said.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::prometheus_text;

use crate::doors::{Observed, Watched};
use crate::page;

pub(crate) fn routes(watched: Arc<Watched>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(watched)
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Response {
    let refuse = |why: &'static str| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    match watched.observe().await {
        Observed::Starting => refuse("the broker starts\n"),
        Observed::Stuck => refuse("the broker does not answer\n"),
        Observed::Serving(observation) => match page::text(*observation, &watched) {
            Ok(text) => ([(header::CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response(),
            Err(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response()
            }
        },
    }
}
