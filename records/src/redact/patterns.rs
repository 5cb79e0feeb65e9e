//! The default set. A pattern is added with its hits and near misses in the tests beside it.
//!
//! Word boundaries are ASCII's: Unicode's would make the engine leave its fast path at every other character. Repetitions
//! have no upper bound, because each step of one would be a state; time is linear either way.
//!
//! A format with a prefix of its own is matched by that; what has none is matched by the name it is assigned to, and then
//! only where the value does not look like a placeholder, a variable or a word of prose.

use regex::Captures;

/// One pattern. Where it has a group `secret` only that is replaced.
pub(super) struct Default {
    /// What stands in the mark and in the counters.
    pub(super) name: &'static str,
    /// Regular expressions, as simple as can be, one of which matches wherever the pattern does.
    pub(super) anchors: &'static [&'static str],
    /// The pattern.
    pub(super) regex: &'static str,
    /// Whether a match is one after all.
    pub(super) accept: super::Accept,
}

const fn pattern(name: &'static str, anchors: &'static [&'static str], regex: &'static str) -> Default {
    Default { name, anchors, regex, accept: |_| true }
}

/// In the order they are applied: whole blocks, then tokens with a form of their own, then what is known by its name.
pub(super) const DEFAULTS: &[Default] = &[
    pattern(
        "private-key",
        &["PRIVATE KEY"],
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    pattern("aws-access-key-id", &["A[KS]IA"], r"(?-u:\b)(?:AKIA|ASIA)[A-Z2-7]{12}[A-Z0-9]{4}(?-u:\b)"),
    pattern(
        "aws-secret-key",
        &["(?i-u:secret)"],
        r#"(?i)aws_?(?:secret|session)_?(?:access_?)?(?:key|token)["']?\s{0,3}[:=]\s{0,3}["']?(?P<secret>[A-Za-z0-9/+=]{40,})"#,
    ),
    pattern(
        "github-token",
        &["gh[pousr]_", "github_pat_"],
        r"(?-u:\b)(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})",
    ),
    pattern("gitlab-token", &["gl[a-z]{2,6}-"], r"(?-u:\b)gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt|oas)-[A-Za-z0-9_-]{20,}"),
    pattern("slack-token", &["xox[a-z]-", "xapp-"], r"(?-u:\b)(?:xox[abeprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{20,})"),
    pattern("slack-webhook", &[r"hooks\.slack"], r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9/_-]{20,})"),
    pattern("anthropic-key", &["sk-ant-"], r"(?-u:\b)sk-ant-[A-Za-z0-9_-]{20,}"),
    pattern("openai-key", &["sk-"], r"(?-u:\b)sk-(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9][A-Za-z0-9_-]{10,}[A-Za-z0-9]{20,}"),
    pattern("google-api-key", &["AIza"], r"(?-u:\b)AIza[0-9A-Za-z_-]{35}"),
    pattern("google-oauth", &[r"ya29\.", "GOCSPX-"], r"(?-u:\b)(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,})"),
    pattern(
        "stripe-key",
        &["[rs]k_(?:live|test)_", "whsec_"],
        r"(?-u:\b)(?:[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|whsec_[0-9A-Za-z]{24,})",
    ),
    pattern("npm-token", &["npm_"], r"(?-u:\b)npm_[A-Za-z0-9]{36}(?-u:\b)"),
    pattern("pypi-token", &["pypi-AgE"], r"(?-u:\b)pypi-AgE[A-Za-z0-9_-]{50,}"),
    pattern("huggingface-token", &["hf_"], r"(?-u:\b)hf_[A-Za-z0-9]{30,}(?-u:\b)"),
    pattern("nats-seed", &["S[UAOCNX][A-Z2-7]{56}"], r"(?-u:\b)S[UAOCNX][A-Z2-7]{56}(?-u:\b)"),
    pattern("jwt", &["eyJ"], r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    pattern(
        "authorization",
        &["(?i-u:bearer)", "(?i-u:authorization)"],
        r#"(?i)(?:(?-u:\b)bearer\s+|authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:basic|token|apikey)\s+)(?P<secret>[A-Za-z0-9._~+/-]{12,}={0,2})"#,
    ),
    pattern("url-password", &["://[^/@]*@"], r"://[^\s/:@]*:(?P<secret>[^\s/@\[\]$<{][^\s/@]*)@"),
    Default {
        name: "assignment",
        anchors: &["(?i-u:passw)", "(?i-u:passphrase)", "(?i-u:secret)", "(?i-u:token)", "(?i-u:(?:api|access|private)[_-]?key)"],
        regex: r#"(?i)(?P<name>passw(?:or[dt]|d)|passphrase|secret[_-]?(?:access[_-]?)?key|secret|token|(?:api|access|private)[_-]?key)(?:\\?["'])?(?P<sign>\s{0,2}=\s{0,2}|\s{0,2}:\s{0,2})(?:\\?["'])?(?P<secret>[A-Za-z0-9!#%*+./?@^_~-]{6,}={0,2})(?P<call>\()?"#,
        accept: assigns_a_secret,
    },
];

/// Keys of JSON objects whose text value is a secret whatever its form.
pub(super) const SECRET_KEYS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "client_secret",
    "clientSecret",
    "secret_key",
    "secretKey",
    "secret_access_key",
    "secretAccessKey",
    "aws_secret_access_key",
    "api_key",
    "apiKey",
    "access_token",
    "accessToken",
    "refresh_token",
    "refreshToken",
    "auth_token",
    "authToken",
    "id_token",
    "idToken",
    "private_key",
    "privateKey",
    "authorization",
];

/// Values that are no secret although they are assigned to a name that wants one.
const PLAIN_WORDS: &[&str] =
    &["string", "undefined", "password", "passwd", "secret", "changeme", "required", "optional", "process.env", "os.environ"];

/// Whether what is assigned looks like a secret rather than a variable, a path, a placeholder or a word: it has letters and
/// digits; for a password written without spaces around `=`, anything that is not plainly something else will do.
fn assigns_a_secret(captures: &Captures<'_>) -> bool {
    let part = |name| captures.name(name).map_or("", |part| part.as_str());
    let secret = part("secret");
    if !part("call").is_empty() || secret.starts_with(['/', '.', '%', '*', '?']) || secret.contains("()") {
        return false;
    }
    let has_letter = secret.bytes().any(|byte| byte.is_ascii_alphabetic());
    let has_digit = secret.bytes().any(|byte| byte.is_ascii_digit());
    let is_word = PLAIN_WORDS.iter().any(|word| secret.eq_ignore_ascii_case(word));
    let names_password = part("name").as_bytes().first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'p'))
        && part("name").as_bytes().get(1).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'a'));
    (has_letter && has_digit) || (names_password && part("sign") == "=" && !is_word && !secret.contains('.'))
}
