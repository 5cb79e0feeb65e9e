//! Answers: a body, its type, and the headers that every answer carries.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

use super::problem::Problem;

/// The body of an answer: whole, or a stream. A stream that fails breaks its connection, so that its reader does not take
/// a part for the whole.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer.
pub type Answer = Response<Body>;

/// Scripts, styles and streams of this server alone: whatever text a message holds, a browser runs none of it, loads
/// nothing for it, and nobody frames the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An answer that is whole.
#[must_use]
pub fn whole(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    with_type(content_type, Full::new(body.into()).map_err(|never| match never {}).boxed_unsync())
}

/// An answer in JSON.
#[must_use]
pub fn json(body: impl Into<Bytes>) -> Answer {
    whole("application/json", body)
}

/// An answer in JSON, of a document of our own.
///
/// # Panics
/// When the document cannot be JSON: a map with keys that are no texts.
#[must_use]
pub fn json_of(document: &impl serde::Serialize) -> Answer {
    #[expect(clippy::expect_used, reason = "texts, numbers and maps with text keys always serialise")]
    json(serde_json::to_vec(document).expect("a document serialises"))
}

/// A page.
#[must_use]
pub fn html(body: String) -> Answer {
    whole("text/html; charset=utf-8", body)
}

/// An answer that is sent as it is made.
pub fn stream(content_type: &'static str, parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Answer {
    let frames = futures_util::StreamExt::map(parts, |part| part.map(Frame::data));
    with_type(content_type, StreamBody::new(frames).boxed_unsync())
}

/// A problem document.
#[must_use]
pub fn problem(problem: &Problem) -> Answer {
    let mut answer = whole("application/problem+json", problem.body());
    *answer.status_mut() = problem.status;
    answer
}

/// Sends the reader elsewhere.
#[must_use]
pub fn redirect(location: &str) -> Answer {
    let mut answer = whole("text/plain; charset=utf-8", "");
    *answer.status_mut() = StatusCode::SEE_OTHER;
    // What a header cannot hold is no link.
    answer.headers_mut().insert(LOCATION, HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/")));
    answer
}

/// Names the file that a browser keeps this answer in. What a header cannot hold is left out of the name.
#[must_use]
pub fn attachment(mut answer: Answer, name: &str) -> Answer {
    let safe = |character: char| if character.is_ascii_alphanumeric() || "-_.".contains(character) { character } else { '_' };
    let name: String = name.chars().map(safe).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    answer
}

/// Adds what every answer carries.
pub fn secure(headers: &mut HeaderMap) {
    let fixed = [
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("x-content-type-options", "nosniff"),
        // No other site learns a link of this one. Without any referrer a browser says of a form that it comes from nowhere.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // What people see must be how things stand; assets and streams say otherwise themselves.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn with_type(content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
