//! Bodies as this project's own publishers write them: every key under its one name, every value of its one type. They are
//! nearly all there are, and are read straight into place.
//!
//! Whatever is different in any way, an alias, an envelope, another type, a key twice, is left to [`super::Body::read`], which
//! knows all forms: for what is read here, both give the same.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::{TOOL_KEYS, tool};
use super::{Body, STATUS_UPDATE};
use crate::{Kind, Role, Source, Timestamp};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'a> {
    v: Option<u64>,
    id: Option<String>,
    workflow_namespace: Option<String>,
    workflow_name: Option<String>,
    workflow_uid: Option<String>,
    run_id: Option<String>,
    step_id: Option<String>,
    pod: Option<String>,
    container: Option<String>,
    attempt: Option<u32>,
    source: Option<PlainSource>,
    agent_id: Option<String>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    stage: Option<String>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    seq: Option<u64>,
    channel: Option<String>,
    content: Option<String>,
    tool: Option<Map<String, Value>>,
    attrs: Option<Map<String, Value>>,
    runtime: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainSource {
    pod_uid: String,
    label: String,
    generation: u64,
    start: u64,
    end: u64,
    part: u32,
}

/// Reads a body that is plain; nothing when it is not, or no JSON.
pub(super) fn read(json: &[u8]) -> Option<Body> {
    let plain: Plain<'_> = serde_json::from_slice(json).ok()?;
    let attrs = plain.attrs.unwrap_or_default();
    let hides_a_tool = plain.tool.is_none() && TOOL_KEYS.iter().any(|key| attrs.contains_key(*key));
    // Empty content says nothing, and is kept.
    if hides_a_tool || plain.content.as_deref() == Some("") {
        return None;
    }
    let kind = plain.kind.and_then(|kind| Kind::new(&kind));
    let is_status = kind.as_ref().is_some_and(|kind| kind.as_str() == Kind::STATUS);
    Some(Body {
        version: plain.v,
        id: said(plain.id),
        timestamp: known(plain.timestamp.as_deref(), Timestamp::parse).ok()?,
        kind,
        role: known(plain.role.as_deref(), Role::new).ok()?,
        content: plain.content.or_else(|| is_status.then(|| STATUS_UPDATE.to_owned())),
        run_id: said(plain.run_id),
        workflow_namespace: said(plain.workflow_namespace),
        workflow_name: said(plain.workflow_name),
        workflow_uid: said(plain.workflow_uid),
        step_id: said(plain.step_id),
        pod: said(plain.pod),
        container: said(plain.container),
        attempt: plain.attempt,
        source: plain.source.map(|source| Source {
            pod_uid: source.pod_uid,
            label: source.label,
            generation: source.generation,
            start: source.start,
            end: source.end,
            part: source.part,
        }),
        seq: plain.seq,
        agent_id: said(plain.agent_id).filter(|agent| agent != crate::UNKNOWN),
        channel: said(plain.channel).filter(|channel| channel != "run"),
        stage: said(plain.stage),
        tool: plain.tool.map(tool),
        runtime: said(plain.runtime),
        attrs,
        problems: Vec::new(),
    })
}

/// Empty text says nothing.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A value that its type does not know.
struct NotPlain;

/// What a text stands for, if it says something.
fn known<T>(text: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, NotPlain> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => read(text).map(Some).ok_or(NotPlain),
    }
}
