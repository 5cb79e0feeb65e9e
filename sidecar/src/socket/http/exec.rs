//! `POST /exec`: a batch of what a wrapped command wrote. The whole of it becomes one entry of the spool, under the key
//! that its sender gave it: sent again, it is accepted once.

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Answer, ending, json_answer, problem, take_body};
use crate::exec::batch;
use crate::socket::Shared;
use crate::spool::Peer;
use crate::spool::frame::LONGEST_RAW;

/// What a batch's content is called.
pub const BATCH_TYPE: &str = "application/x-agent-comms-output";
/// The header with a batch's key, no other batch's.
pub const KEY_HEADER: &str = "idempotency-key";
/// Bytes of the longest key.
const KEY_LIMIT: usize = 128;

/// Answers a batch.
pub async fn post(request: Request<Incoming>, shared: &Shared, container: &str, peer: Peer, stop: &CancellationToken) -> Answer {
    if stop.is_cancelled() {
        return ending();
    }
    let key = request.headers().get(KEY_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if key.is_empty() || key.len() > KEY_LIMIT {
        let error = format!("the header `{KEY_HEADER}` must name the batch, in at most {KEY_LIMIT} bytes");
        return problem(StatusCode::BAD_REQUEST, &error);
    }
    let (bytes, room) = match take_body(request.into_body(), shared, stop).await {
        Ok(taken) => taken,
        Err(answer) => return answer,
    };
    if bytes.len() > LONGEST_RAW {
        let error = format!("the batch has {} bytes, {LONGEST_RAW} are possible; nothing was accepted", bytes.len());
        return problem(StatusCode::PAYLOAD_TOO_LARGE, &error);
    }
    let count = match batch::check(&bytes) {
        Ok(0) => return problem(StatusCode::BAD_REQUEST, "the batch is empty"),
        Ok(count) => count,
        Err(line) => {
            let error = format!("line {line} is no event of a command; nothing was accepted");
            return json_answer(StatusCode::BAD_REQUEST, &json!({ "ok": false, "error": error, "line": line }));
        }
    };
    let accepted = tokio::select! {
        biased;
        accepted = shared.intake.accept_batch(container, peer, &key, &bytes) => accepted,
        () = stop.cancelled() => None,
    };
    drop(room);
    match accepted {
        Some(()) => json_answer(StatusCode::ACCEPTED, &json!({ "accepted": count })),
        None => ending(),
    }
}
