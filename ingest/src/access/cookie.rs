//! The cookie that holds a token, for browsers, which cannot send one otherwise with a page or an event stream.
//!
//! It holds the token itself: replicas share no list of sessions. No script reads it, no other site makes a browser send it, it
//! leaves the browser over TLS alone, and its prefix keeps hosts of the same domain from setting it.

use std::time::SystemTime;

use hyper::header::{COOKIE, HeaderMap, HeaderValue};

use super::token::Token;

/// The name of the cookie that holds a token: browsers take it over TLS alone, and for this host alone.
pub const NAME: &str = "__Host-agent-comms";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
/// Browsers keep 4,096 bytes of name and value.
const LONGEST: usize = 4_096 - NAME.len();

/// The token that a browser sends.
#[must_use]
pub fn token(headers: &HeaderMap) -> Option<Token> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == NAME).then_some(value)
    });
    values.next().and_then(Token::new)
}

/// Lets a browser keep a token until it ends, or until the browser itself does; nothing where the token is too long for that.
#[must_use]
pub fn keep(token: &Token, now: SystemTime) -> Option<HeaderValue> {
    if token.text().len() > LONGEST {
        return None;
    }
    let age = token.expires().map(|end| end.duration_since(now).unwrap_or_default().as_secs());
    let age = age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let mut value = HeaderValue::from_str(&format!("{NAME}={}; {ATTRIBUTES}{age}", token.text())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Lets a browser forget.
#[must_use]
pub fn forget() -> HeaderValue {
    HeaderValue::from_static("__Host-agent-comms=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

#[cfg(test)]
mod tests;
