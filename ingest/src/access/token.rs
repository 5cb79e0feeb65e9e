//! A bearer token: what somebody shows to say who they are.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Tokens of service accounts have one to two thousand characters, those of other issuers with many groups several.
const LONGEST: usize = 16 * 1024;

/// A token. Its text is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// A text as a token, if it can be one (RFC 6750, `b64token`).
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        (!text.is_empty() && text.len() <= LONGEST && text.bytes().all(of_token)).then(|| Self(text.into()))
    }

    /// The token of an `Authorization` header's value.
    #[must_use]
    pub fn of_header(value: &str) -> Option<Self> {
        let (scheme, token) = value.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") { Self::new(token.trim()) } else { None }
    }

    /// Its text, for whoever checks it and for the reader's own cookie.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What stands for it where it is only to be found again.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// When it says that it ends. Nobody is let in by this: it can only make an end come sooner.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        let claims = URL_SAFE_NO_PAD.decode(self.0.split('.').nth(1)?).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
        // A number of seconds, which some issuers write with a fraction.
        let seconds = claims.get("exp")?.as_f64()?;
        UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests;
