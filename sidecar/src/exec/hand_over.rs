//! Hands batches to the sidecar, one after the other, by `POST /exec` on a connection of its own. A batch that was not
//! answered is sent again under the same key, and accepted once.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use uuid::Uuid;

use super::capture::Capture;
use crate::socket::http::exec::{BATCH_TYPE, KEY_HEADER};

/// Shortest and longest wait between two tries.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);
/// How often a sidecar that is gone is tried once the command has ended. One that is being restarted is waited for only
/// while the command runs.
const LAST_TRIES: u32 = 4;

/// Hands everything over; ends when nothing more will come, or when the sidecar is gone at the end.
pub async fn hand_over(socket: PathBuf, session: Uuid, capture: Capture) {
    let mut connection = None;
    let mut number = 0_u64;
    while let Some(batch) = capture.next().await {
        let body = Bytes::from(batch);
        number += 1;
        let key = format!("{session}-{number}");
        let (mut tries, mut wait) = (0, SHORTEST);
        loop {
            match post(&mut connection, &socket, &key, body.clone()).await {
                Ok(StatusCode::ACCEPTED) => break,
                // It is ending or knows no such request: there may be another one soon.
                Ok(StatusCode::SERVICE_UNAVAILABLE) | Err(_) => {}
                Ok(_) => {
                    capture.refused(&body);
                    break;
                }
            }
            connection = None;
            if capture.is_closed() {
                tries += 1;
                if tries >= LAST_TRIES {
                    return;
                }
                wait = wait.min(SHORTEST * tries);
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = capture.closed(), if !capture.is_closed() => {}
            }
            wait = (wait * 2).min(LONGEST);
        }
        capture.handed_over(body.len());
    }
}

/// Leaves this on a connection of its own, for a sidecar that is too slow to answer: it finds it there when it goes on, also
/// when this process is gone.
pub async fn leave(socket: &Path, session: Uuid, batch: Vec<u8>) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    let length = batch.len();
    let head = format!(
        "POST /exec HTTP/1.1\r\n{HOST}: agent-comms\r\n{CONTENT_TYPE}: {BATCH_TYPE}\r\n{KEY_HEADER}: {session}-end\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&batch).await
}

type Connection = SendRequest<Full<Bytes>>;

async fn post(connection: &mut Option<Connection>, socket: &Path, key: &str, body: Bytes) -> anyhow::Result<StatusCode> {
    let sender = match connection.take() {
        Some(sender) if !sender.is_closed() => connection.insert(sender),
        _ => connection.insert(connect(socket).await?),
    };
    sender.ready().await?;
    let request = Request::post("/exec")
        .header(HOST, "agent-comms")
        .header(CONTENT_TYPE, BATCH_TYPE)
        .header(KEY_HEADER, key)
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    Ok(status)
}

async fn connect(socket: &Path) -> anyhow::Result<Connection> {
    let stream = UnixStream::connect(socket).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
