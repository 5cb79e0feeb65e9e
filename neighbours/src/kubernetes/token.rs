//! Tokens of service accounts that end sooner than the API server would give one for.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

/// Who signs, as the API server is told.
pub(super) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// A service account, and what a token of it is for.
#[derive(Clone, Debug)]
pub struct TokenOf<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// Whom the token is for.
    pub audience: &'a str,
    /// When it ends, from now on.
    pub lasts: Duration,
}

/// Signs a token with the API server's own key (RFC 7515, ES256).
pub(super) fn sign(key: &Path, of: &TokenOf<'_>) -> Result<String> {
    let pem = std::fs::read_to_string(key).with_context(|| format!("cannot read {}", key.display()))?;
    let key = KeyPair::from_pem(&pem).context("the key of service accounts is none")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({
        "iss": ISSUER,
        "sub": format!("system:serviceaccount:{}:{}", of.namespace, of.name),
        "aud": [of.audience],
        "iat": now,
        "nbf": now,
        "exp": now + of.lasts.as_secs(),
        "kubernetes.io": { "namespace": of.namespace, "serviceaccount": { "name": of.name, "uid": of.uid } },
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({ "alg": "ES256", "typ": "JWT" })), part(&claims));
    let signature = key.sign(text.as_bytes()).context("cannot sign")?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(plain(&signature).context("the signature is none of two numbers")?)))
}

/// The two numbers of a signature, 32 bytes each, out of their DER.
fn plain(der: &[u8]) -> Option<Vec<u8>> {
    let mut rest = der.strip_prefix(&[0x30])?.get(1..)?;
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let (&length, after) = rest.strip_prefix(&[0x02])?.split_first()?;
        let (number, after) = after.split_at_checked(length.into())?;
        // A number with its highest bit set has a zero before it, a small one is short.
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        numbers.extend(std::iter::repeat_n(0, 32_usize.checked_sub(number.len())?));
        numbers.extend_from_slice(number);
        rest = after;
    }
    Some(numbers)
}
