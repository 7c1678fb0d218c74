//! `/health`, `/health/ready` and `/health/live`: three questions, each with status 200 for yes and 503 for no.
//!
//! Live: does the broker's I/O thread answer? A start that replays its log is alive. Ready: may clients come? Not before it
//! serves and the coordinators of groups have read what they keep, nor once it was told to stop; refused writes do not change
//! it, reads go on, nor do groups that can't be read, the others are served. Health: is all as it should be, writes and groups
//! included? It says in words what is not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::doors::{Observed, Watched};

pub(crate) fn routes(watched: Arc<Watched>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/ready", get(ready))
        .route("/health/live", get(live))
        .with_state(watched)
}

async fn health(State(watched): State<Arc<Watched>>) -> Response {
    let mut groups = "served".to_owned();
    let (status, writes) = match watched.standing().await {
        _ if watched.is_stopping.load(Ordering::Relaxed) => {
            ("stopping", "refused: the broker stops".to_owned())
        }
        Observed::Starting => ("starting", "refused: the broker starts".to_owned()),
        Observed::Stuck => ("stuck", "refused: the broker does not answer".to_owned()),
        Observed::Serving(standing) => {
            let unreadable = standing.coordinators_unreadable;
            if unreadable > 0 {
                groups = format!("{unreadable} partitions of __consumer_offsets can't be read");
            }
            match standing.writes_refused {
                None if unreadable == 0 => ("healthy", "accepted".to_owned()),
                None => ("degraded", "accepted".to_owned()),
                Some(why) => ("degraded", format!("refused: {why}")),
            }
        }
    };
    let body = json!({
        "status": status,
        "writes": writes,
        "groups": groups,
        "version": watched.version,
        "uptimeSeconds": watched.began.elapsed().as_secs(),
    });
    answer(status == "healthy", &body)
}

async fn ready(State(watched): State<Arc<Watched>>) -> Response {
    let observed = watched.standing().await;
    let is_serving = matches!(observed, Observed::Serving(standing) if standing.are_groups_ready);
    let is_ready = is_serving && !watched.is_stopping.load(Ordering::Relaxed);
    answer(is_ready, &json!({ "ready": is_ready }))
}

async fn live(State(watched): State<Arc<Watched>>) -> Response {
    let is_live =
        !matches!(watched.standing().await, Observed::Stuck) || watched.is_stopping.load(Ordering::Relaxed);
    answer(is_live, &json!({ "live": is_live }))
}

fn answer(is_good: bool, body: &serde_json::Value) -> Response {
    let status = if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}
