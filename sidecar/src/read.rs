//! `agent-comms read`: what all runs say to each other, through the socket, for steps and people in them.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use message::body::Body;
use message::{Kind, Message, RunIdentity, Timestamp, UNKNOWN};
use serde_json::Value;
use uuid::Uuid;

use crate::args::{ReadArgs, Reply};
use crate::client::{self, Answer};
use crate::parse::pretty::Pretty;
use crate::parse::{has_color, is_broken_pipe};

/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of the longest refusal that is shown.
const LONGEST_REFUSAL: usize = 4 * 1024;

/// Shows the channel on standard output.
///
/// # Errors
/// When nobody answers for long enough, reading is refused, or it breaks off.
pub async fn read(args: &ReadArgs) -> anyhow::Result<()> {
    let response = client::until_answered(Duration::from_secs(args.timeout), PAUSE, async || get(args).await).await?;
    match show(response.into_body(), args).await {
        // Whoever reads has seen enough.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(is_broken_pipe) => Ok(()),
        shown => shown,
    }
}

async fn get(args: &ReadArgs) -> anyhow::Result<Answer<Response<Incoming>>> {
    let path = format!("/messages?channel=general&last={}&follow={}", args.last, u8::from(args.follow));
    let request = Request::get(path).header(HOST, "agent-comms").body(Empty::<Bytes>::new())?;
    let response = client::send(&args.socket, request, "the sidecar did not answer").await?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(Answer::Given(response));
    }
    Ok(Answer::Refused(status, anyhow::anyhow!("the channel cannot be read ({status}): {}", reason(response).await)))
}

/// Why the sidecar refuses, in its own words.
async fn reason(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let told: Option<Value> = serde_json::from_slice(&body).ok();
    let error = told.as_ref().and_then(|told| told["error"].as_str().map(ToOwned::to_owned));
    error.unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(LONGEST_REFUSAL)]).trim().to_owned())
}

async fn show(mut body: Incoming, args: &ReadArgs) -> anyhow::Result<()> {
    let color = has_color(args.color, io::stdout().is_terminal());
    let mut rest = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the sidecar's answer broke off")?;
        let Ok(data) = frame.into_data() else { continue };
        rest.extend_from_slice(&data);
        let Some(end) = memchr::memrchr(b'\n', &rest) else { continue };
        let mut output = io::stdout().lock();
        for line in rest[..end].split(|byte| *byte == b'\n') {
            match args.output {
                Reply::Json => output.write_all(line).and_then(|()| output.write_all(b"\n"))?,
                Reply::Text => text(&mut output, Pretty { color, run: true }, line)?,
            }
        }
        output.flush()?;
        rest.drain(..=end);
    }
    Ok(())
}

/// Shows a line: a message, or on standard error what is told of the reading itself.
fn text(output: &mut impl Write, pretty: Pretty, line: &[u8]) -> io::Result<()> {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return Ok(()) };
    if !object.contains_key("kind") {
        // Nobody is left to tell when standard error is closed.
        drop(writeln!(io::stderr(), "agent-comms: {}", note(&Value::Object(object))));
        return Ok(());
    }
    pretty.message(output, &message(Body::read(object)))
}

/// What a line says that is no message.
fn note(note: &Value) -> String {
    let reason = note["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
    match (&note["history"], &note["live"], &note["dropped"]) {
        (Value::String(history), ..) => format!("history is {history}{reason}"),
        (_, Value::String(live), _) => format!("what is said now is {live}{reason}"),
        (.., Value::Number(dropped)) => format!("{dropped} messages were left out, because they were read too slowly"),
        _ => note.to_string(),
    }
}

/// The message as it is shown. Only what is shown is filled in.
fn message(body: Body) -> Message {
    let known = |name: Option<String>| name.unwrap_or_else(|| UNKNOWN.to_owned());
    let kind = body.kind.unwrap_or_else(Kind::message);
    Message {
        id: body.id.and_then(|id| id.parse().ok()).unwrap_or(Uuid::nil()),
        run: RunIdentity {
            namespace: known(body.workflow_namespace),
            name: known(body.workflow_name),
            uid: known(body.workflow_uid),
        },
        run_id: body.run_id,
        step_id: body.step_id,
        pod: body.pod,
        container: body.container,
        attempt: body.attempt,
        source: body.source,
        agent_id: known(body.agent_id),
        role: body.role.unwrap_or_else(|| kind.default_role()),
        stage: body.stage,
        timestamp: body.timestamp.unwrap_or_else(|| Timestamp::new(std::time::SystemTime::UNIX_EPOCH.into())),
        seq: body.seq,
        // It is the same for all of them.
        channel: None,
        content: body.content,
        tool: body.tool,
        attrs: body.attrs,
        runtime: body.runtime,
        kind,
    }
}

#[cfg(test)]
mod tests;
