//! The other side of the doors: asks a broker what the command line wants to know of it.

use std::io;
use std::time::Duration;

use axum::body::{self, Body};
use axum::http::{Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::batching::Batching;

/// Longest that it may take to connect, and to answer.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer; a broker tells of a thousand topics and as many clients, whose names take a megabyte or two.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The broker did not tell.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers there.
    #[error("{address}: {error}")]
    Connect {
        /// Where it was asked.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// It answers something else.
    #[error("http://{address}{path}: {why}")]
    Answer {
        /// Where it was asked.
        address: String,
        /// For what.
        path: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// What batching does in the broker whose metrics are at `address`, `host:port`. Blocks for 20 s at most.
///
/// # Errors
/// [`AskError`].
pub fn ask_batching(address: &str) -> Result<Batching, AskError> {
    let path = "/batching";
    let wrong = |why: String| AskError::Answer { address: address.to_owned(), path, why };
    let broken = |error| AskError::Connect { address: address.to_owned(), error };
    let stream = env::net::connect_blocking(address, TIME_MAX).map_err(broken)?;
    let answered = env::task::block_on_io_thread(async {
        env::timeout(TIME_MAX, get(stream, address, path))
            .await
            .unwrap_or_else(|| Err("no answer".to_owned()))
    });
    let text = answered.map_err(broken)?.map_err(wrong)?;
    serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("not what a broker of this version tells: {error}")))
}

async fn get(stream: env::net::BlockingTcpStream, address: &str, path: &str) -> Result<Vec<u8>, String> {
    let stream = env::net::adopt_stream(stream).map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    env::spawn_local(connection);
    let request = Request::get(path)
        .header(header::HOST, address)
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let text = body::to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX)
        .await
        .map_err(|error| error.to_string())?;
    match status {
        StatusCode::OK => Ok(text.into()),
        // A broker that starts says so.
        status => {
            let text = String::from_utf8_lossy(&text[..text.len().min(200)]);
            // Whoever answers here may be anybody: nothing of it is to move a terminal's cursor.
            Err(format!("{status}: {}", text.trim().escape_debug()))
        }
    }
}
