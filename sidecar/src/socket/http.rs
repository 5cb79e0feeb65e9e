//! HTTP/1.1 on the socket: `POST /messages`, `GET /messages`, `POST /exec` and `GET /metrics`.
//!
//! A 202 means that every record of the request is in the spool. A writer waits for that while the spool is full, and gets
//! a 503 with `Retry-After` only when this process is ending.

mod body;
pub mod exec;
mod read;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::room::FREE;
use super::{RECORD_LIMIT, Shared};
use crate::spool::Peer;

/// Bytes of the longest request body: room for many records, bounded so that a few writers cannot fill the memory.
const BODY_LIMIT: usize = 2 * RECORD_LIMIT;
/// Records of one request: what is kept of each beside its bytes stays small.
const RECORDS_LIMIT: usize = 16_384;
/// Bytes of the longest body that is read to its end to answer it.
const LONGEST_ANSWERED: usize = 64 * 1024 * 1024;
/// How long a client may take for the head of a request.
const HEAD_TIME: std::time::Duration = std::time::Duration::from_secs(30);

/// How long a client may be silent in the middle of a body: what it has sent is in our memory.
const BODY_SILENCE: std::time::Duration = std::time::Duration::from_secs(10);

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Serves one connection until the client closes it, or the answer that is being made when reading ends. `first` is what was
/// read before. One that is made when reading has ended already gets one answer.
pub async fn serve(
    stream: UnixStream,
    first: &[u8],
    shared: Arc<Shared>,
    container: String,
    peer: Peer,
    stop: CancellationToken,
) {
    let is_late = stop.is_cancelled();
    let line = read::Line::of(&stream, first);
    let (reading, writing) = stream.into_split();
    let stream = tokio::io::join(std::io::Cursor::new(first).chain(reading), writing);
    let answer = |request: Request<Incoming>| {
        let (shared, container, stop, line) = (Arc::clone(&shared), container.clone(), stop.clone(), line.clone());
        async move {
            if (request.method(), request.uri().path()) == (&Method::GET, "/messages") {
                return Ok::<_, Infallible>(read::get(&request, &shared, line, stop).await);
            }
            Ok(answer(request, &shared, &container, peer, &stop).await)
        }
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(FREE)
        .keep_alive(!is_late)
        // A client may say that it has nothing more to say, and still listen.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled(), if !is_late => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

async fn answer(request: Request<Incoming>, shared: &Shared, container: &str, peer: Peer, stop: &CancellationToken) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/messages") => post(request, shared, container, peer, stop).await,
        (&Method::POST, "/exec") => exec::post(request, shared, container, peer, stop).await,
        (&Method::GET | &Method::HEAD, "/metrics") => metrics(shared),
        (_, "/messages") => not_allowed("GET, POST"),
        (_, "/exec") => not_allowed("POST"),
        (_, "/metrics") => not_allowed("GET"),
        (_, path) => {
            let error = format!(
                "there is nothing at `{path}`; POST /messages takes records, GET /messages reads the channel of all runs, GET /metrics tells how it goes"
            );
            problem(StatusCode::NOT_FOUND, &error)
        }
    }
}

async fn post(request: Request<Incoming>, shared: &Shared, container: &str, peer: Peer, stop: &CancellationToken) -> Answer {
    if stop.is_cancelled() {
        return ending();
    }
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (bytes, room) = match take_body(request.into_body(), shared, stop).await {
        Ok(taken) => taken,
        Err(answer) => return answer,
    };
    let records = match body::records(&content_type, &bytes, RECORDS_LIMIT) {
        Ok(records) => records,
        Err(body::BodyError::Record { line, reason }) => {
            let error = format!("line {line}: {reason}; nothing was accepted");
            return json_answer(StatusCode::BAD_REQUEST, &json!({ "ok": false, "error": error, "line": line }));
        }
        Err(body::BodyError::TooMany) => {
            let error = format!("the body has more than {RECORDS_LIMIT} records; send them in parts; nothing was accepted");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, &error);
        }
        Err(body::BodyError::TooLong { line, length }) => {
            let error =
                format!("the record in line {line} has {length} bytes, {RECORD_LIMIT} are possible; nothing was accepted");
            return json_answer(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "ok": false, "error": error, "line": line }));
        }
    };
    let raws: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
    let ids = tokio::select! {
        biased;
        ids = shared.intake.accept(container, peer, &raws) => ids,
        () = stop.cancelled() => return ending(),
    };
    let Some(ids) = ids else { return ending() };
    drop(room);
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    json_answer(StatusCode::ACCEPTED, &json!({ "accepted": ids.len(), "ids": ids }))
}

/// The whole body and the room that it takes in our memory, or the answer to a client whose body cannot be had.
async fn take_body<'a>(
    body: Incoming,
    shared: &'a Shared,
    stop: &CancellationToken,
) -> Result<(Vec<u8>, Option<SemaphorePermit<'a>>), Answer> {
    // What has no length may be as long as is possible; what is too long is not kept.
    let length = body.size_hint().exact().map_or(Some(BODY_LIMIT), |length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= BODY_LIMIT);
    let room = tokio::select! {
        room = shared.room.take(length.unwrap_or(0)) => room,
        () = stop.cancelled() => return Err(ending()),
    };
    match read_body(body, length).await {
        Ok(Some(bytes)) => Ok((bytes, room)),
        Ok(None) => {
            let error = format!("the body is longer than {BODY_LIMIT} bytes; send it in parts");
            Err(problem(StatusCode::PAYLOAD_TOO_LARGE, &error))
        }
        Err(BodyFault::Unreadable(error)) => Err(problem(StatusCode::BAD_REQUEST, &format!("the body cannot be read: {error}"))),
        Err(BodyFault::Silent) => {
            let error = format!("nothing more of the body came for {} s; nothing was accepted", BODY_SILENCE.as_secs());
            let mut answer = problem(StatusCode::REQUEST_TIMEOUT, &error);
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            Err(answer)
        }
    }
}

/// Why a body cannot be had.
enum BodyFault {
    Unreadable(hyper::Error),
    Silent,
}

/// The whole body, of which this length is expected; nothing when it is too long. It is read to its end all the same, up to
/// a bound: a client that is still writing when the connection closes would see that and not the answer.
async fn read_body(mut body: Incoming, expected: Option<usize>) -> Result<Option<Vec<u8>>, BodyFault> {
    let limit = expected.map_or(0, |_| BODY_LIMIT);
    // One allocation of the right size: growing would hold both the old and the new one.
    let mut bytes = Vec::with_capacity(expected.unwrap_or(0));
    let mut length = 0;
    loop {
        let frame = tokio::time::timeout(BODY_SILENCE, body.frame()).await.map_err(|_| BodyFault::Silent)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(BodyFault::Unreadable)?.into_data() else { continue };
        length += data.len();
        if length <= limit {
            bytes.extend_from_slice(&data);
        } else if length > LONGEST_ANSWERED {
            break;
        } else {
            bytes = Vec::new();
        }
    }
    Ok((length <= limit).then_some(bytes))
}

fn metrics(shared: &Shared) -> Answer {
    let mut answer = Response::new(whole(shared.metrics.render()));
    let content_type = HeaderValue::from_static(service::admin::METRICS_CONTENT_TYPE);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

fn whole(text: String) -> UnsyncBoxBody<Bytes, Infallible> {
    Full::from(text).boxed_unsync()
}

fn not_allowed(methods: &'static str) -> Answer {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("use {methods}"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

fn ending() -> Answer {
    let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, "the sidecar is ending; nothing was accepted");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn problem(status: StatusCode, error: &str) -> Answer {
    json_answer(status, &json!({ "ok": false, "error": error }))
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Answer {
    let mut answer = Response::new(whole(format!("{body}\n")));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
