//! `AdmissionReview` of `admission.k8s.io/v1`, read and written as plain JSON: an API server may send fields that we do not know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::mutate::Outcome;
use crate::patch::Patch;
use crate::policy::Reason;

/// The API server cuts longer warnings.
const WARNING_LIMIT: usize = 120;
/// More would drown those that count.
const WARNINGS: usize = 5;

/// Why a body is no review.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON.
    #[error("the body is no json")]
    Json(#[source] serde_json::Error),
    /// JSON of something else.
    #[error("the body is no AdmissionReview with a request and its uid")]
    NoReview,
}

/// The request of a review.
#[derive(Debug)]
pub struct Review {
    /// What the answer must repeat.
    pub uid: String,
    /// Version of the review, which the answer must have too.
    pub api_version: String,
    /// The namespace that the pod is made in; the object's own may still be empty.
    pub namespace: String,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// Whether this is the creation of a pod itself.
    pub is_pod_creation: bool,
    /// The object as sent, but for the API server's own bookkeeping (`managedFields`).
    pub object: Value,
}

impl Review {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, ReviewError> {
        let mut review: Value = serde_json::from_slice(body).map_err(ReviewError::Json)?;
        if review.get("kind").and_then(Value::as_str) != Some("AdmissionReview") {
            return Err(ReviewError::NoReview);
        }
        let api_version = text(&review, "/apiVersion").unwrap_or("admission.k8s.io/v1").to_owned();
        let uid = text(&review, "/request/uid").filter(|uid| !uid.is_empty()).ok_or(ReviewError::NoReview)?.to_owned();
        let is_pod_creation = text(&review, "/request/resource/resource") == Some("pods")
            && text(&review, "/request/resource/group").unwrap_or_default().is_empty()
            && text(&review, "/request/resource/version") == Some("v1")
            && text(&review, "/request/subResource").unwrap_or_default().is_empty()
            && text(&review, "/request/operation") == Some("CREATE")
            && review.pointer("/request/object/spec").is_some_and(Value::is_object)
            && review.pointer("/request/object/metadata").is_some_and(Value::is_object);
        Ok(Self {
            uid,
            api_version,
            namespace: text(&review, "/request/namespace").unwrap_or_default().to_owned(),
            dry_run: review.pointer("/request/dryRun").and_then(Value::as_bool).unwrap_or(false),
            is_pod_creation,
            object: review.pointer_mut("/request/object").map(Value::take).map(without_bookkeeping).unwrap_or_default(),
        })
    }

    /// A name for logs: a pod that gets its name later is told by what it begins with.
    #[must_use]
    pub fn pod_name(&self) -> String {
        match (text(&self.object, "/metadata/name"), text(&self.object, "/metadata/generateName")) {
            (Some(name), _) if !name.is_empty() => name.to_owned(),
            (_, Some(prefix)) => format!("{prefix}*"),
            _ => String::new(),
        }
    }
}

/// Who set which field is often half of an object, and nothing that a patch of ours touches: it is not copied along.
fn without_bookkeeping(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    object
}

/// The answer's JSON, which always lets the pod through.
#[must_use]
pub fn answer(uid: &str, api_version: &str, outcome: &Outcome) -> String {
    let notes: Vec<&str> = outcome.notes.iter().map(|note| note.code).collect();
    let audit = Audit {
        decision: decision(outcome.reason),
        notes: (!notes.is_empty()).then(|| notes.join(",")),
        reason: outcome.reason.code(),
    };
    // Structures of strings and JSON values always have a JSON form.
    let encode = |patch: &Patch| STANDARD.encode(serde_json::to_vec(&patch.operations).unwrap_or_default());
    let patch = outcome.patch.as_ref().map(encode);
    let patch_type = patch.is_some().then_some("JSONPatch");
    let response = Response { uid, allowed: true, audit_annotations: audit, patch_type, patch, warnings: warnings(outcome) };
    serde_json::to_string(&Answer { api_version, kind: "AdmissionReview", response }).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'a str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    audit_annotations: Audit,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Audit {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    reason: &'static str,
}

/// `inject` or `skip`.
#[must_use]
pub fn decision(reason: Reason) -> &'static str {
    if reason.is_injected() { "inject" } else { "skip" }
}

fn warnings(outcome: &Outcome) -> Vec<String> {
    let reason = outcome.reason;
    let skipped = outcome.disappoints().then(|| format!("agent-comms: not injected: {}: {}", reason.code(), reason.words()));
    let notes = outcome.notes.iter().map(|note| format!("agent-comms: {note}"));
    skipped.into_iter().chain(notes).take(WARNINGS).map(|text| shorten(&text)).collect()
}

/// A header carries warnings: no control characters, and no end inside a character.
fn shorten(text: &str) -> String {
    let mut text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.len() > WARNING_LIMIT {
        let end = (0..=WARNING_LIMIT - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}
