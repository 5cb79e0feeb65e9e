//! `agent-comms emit`: one message through the socket, for steps without an HTTP client. It succeeds only when the sidecar
//! said that it has the message.
//!
//! The message has an id of its own, so that it can be sent again when no answer came: whatever became of the first copy,
//! it is accepted once.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::args::EmitArgs;
use crate::client::{self, Answer};

/// The pause before the message is sent again.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends the message and waits until it is accepted.
///
/// # Errors
/// When there is no text, nobody answers for long enough, or the message was not accepted.
pub async fn emit(args: EmitArgs) -> anyhow::Result<()> {
    let text = if args.text.is_empty() { read_input()? } else { args.text.join(" ") };
    let text = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!text.trim().is_empty(), "there is nothing to say; give a text, or write it to standard input");
    let body = Bytes::from(object(text, &args).to_string());
    // A sidecar that has the message in hand and waits for room is waited for, however long that takes.
    client::until_answered(Duration::from_secs(args.timeout), PAUSE, async || post(&args.socket, body.clone()).await).await
}

fn object(text: &str, args: &EmitArgs) -> Value {
    let attributes: Map<String, Value> = args.attributes.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    let id = Uuid::new_v4().to_string();
    let mut object = Map::from_iter([("id".to_owned(), id.into()), ("content".to_owned(), text.into())]);
    let named = [("kind", &args.kind), ("channel", &args.channel), ("agent_id", &args.agent)];
    for (name, value) in named {
        if let Some(value) = value {
            object.insert(name.to_owned(), value.clone().into());
        }
    }
    if !attributes.is_empty() {
        object.insert("attrs".to_owned(), json!(attributes));
    }
    Value::Object(object)
}

fn read_input() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn post(socket: &Path, body: Bytes) -> anyhow::Result<Answer<()>> {
    let request =
        Request::post("/messages").header(HOST, "agent-comms").header(CONTENT_TYPE, "application/json").body(Full::new(body))?;
    let response = client::send(socket, request, "the sidecar did not answer; the message may or may not be accepted").await?;
    let status = response.status();
    let answer = response.into_body().collect().await.context("the sidecar's answer broke off")?.to_bytes();
    if status == StatusCode::ACCEPTED {
        return Ok(Answer::Given(()));
    }
    let answer = String::from_utf8_lossy(&answer);
    Ok(Answer::Refused(status, anyhow::anyhow!("the message was not accepted ({status}): {}", answer.trim())))
}
