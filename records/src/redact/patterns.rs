//! The default set. A pattern is added with its hits and near misses in the tests beside it.
//!
//! Word boundaries and whatever has no case are ASCII's: Unicode's would make the engine leave its fast path at every other
//! character, and would match where no anchor does. Repetitions have no upper bound, because each step of one would be a
//! state; time is linear either way.
//!
//! A format with a prefix of its own is matched by that; what has none is matched by the name it is assigned to, and then
//! only where the value does not look like a placeholder, a variable or a word of prose.

use regex::Captures;

use super::anchors::{ANY, ASSIGNED, Anchor, HAS_USER, Plausible, SPACE};

/// One pattern. Where it has a group `secret` only that is replaced.
pub(super) struct Default {
    /// What stands in the mark and in the counters.
    pub(super) name: &'static str,
    /// Words one of which stands wherever the pattern matches.
    pub(super) anchors: &'static [Anchor],
    /// What has to follow such a word.
    pub(super) plausible: Plausible,
    /// The pattern.
    pub(super) regex: &'static str,
    /// Whether a match is one after all.
    pub(super) accept: super::Accept,
}

const fn pattern(name: &'static str, anchors: &'static [Anchor], regex: &'static str) -> Default {
    Default { name, anchors, plausible: ANY, regex, accept: super::ALWAYS }
}

/// Short, because the table below is a list of them.
const fn token(text: &'static str) -> Anchor {
    Anchor::token(text)
}

/// In the order they are applied: whole blocks, then tokens with a form of their own, then what is known by its name.
pub(super) const DEFAULTS: &[Default] = &[
    pattern(
        super::PRIVATE_KEY,
        &[Anchor::anywhere("PRIVATE KEY")],
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    pattern("age-key", &[token("AGE-SECRET-KEY-1")], r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    pattern("aws-access-key-id", &[token("AKIA"), token("ASIA")], r"(?-u:\b)(?:AKIA|ASIA)[A-Z2-7]{12}[A-Z0-9]{4}(?-u:\b)"),
    Default {
        plausible: ASSIGNED,
        ..pattern(
            "aws-secret-key",
            &[Anchor::any_case("aws_se", 0).going_on(), Anchor::any_case("awsse", 0).going_on()],
            r#"(?i-u)aws_?(?:secret|session)_?(?:access_?)?(?:key|token)["']?\s{0,3}[:=]\s{0,3}["']?(?P<secret>[A-Za-z0-9/+=]{40,})"#,
        )
    },
    pattern("azure-storage-key", &[Anchor::any_case("accountkey=", 6)], r"(?i-u)accountkey=(?P<secret>[a-z0-9+/]{80,}={0,2})"),
    pattern("azure-signature", &[Anchor::anywhere("sig=")], r"[?&]sig=(?P<secret>[A-Za-z0-9%+/]{40,}=?)"),
    pattern(
        "azure-client-secret",
        &[
            Anchor::anywhere("0Q~"),
            Anchor::anywhere("1Q~"),
            Anchor::anywhere("2Q~"),
            Anchor::anywhere("3Q~"),
            Anchor::anywhere("4Q~"),
            Anchor::anywhere("5Q~"),
            Anchor::anywhere("6Q~"),
            Anchor::anywhere("7Q~"),
            Anchor::anywhere("8Q~"),
            Anchor::anywhere("9Q~"),
        ],
        r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}",
    ),
    pattern(
        "github-token",
        &[token("ghp_"), token("gho_"), token("ghu_"), token("ghs_"), token("ghr_"), token("github_pat_")],
        r"(?-u:\b)(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})",
    ),
    pattern(
        "gitlab-token",
        &[
            token("glpat-"),
            token("glptt-"),
            token("gldt-"),
            token("glrt-"),
            token("glcbt-"),
            token("glft-"),
            token("glsoat-"),
            token("glagent-"),
            token("glimt-"),
            token("gloas-"),
        ],
        r"(?-u:\b)gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt|oas)-[A-Za-z0-9_-]{20,}",
    ),
    pattern(
        "grafana-token",
        &[token("glsa_"), token("glc_")],
        r"(?-u:\b)(?:glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/]{32,}={0,2})",
    ),
    pattern(
        "slack-token",
        &[token("xox"), token("xapp-")],
        r"(?-u:\b)(?:xox[abeprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{20,})",
    ),
    pattern(
        "slack-webhook",
        &[Anchor::anywhere("hooks.slack.com/")],
        r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9/_-]{20,})",
    ),
    pattern(
        "discord-webhook",
        &[Anchor::any_case("/api/webhooks/", 7)],
        r"(?i-u:/api/webhooks/)[0-9]{17,}/(?P<secret>[A-Za-z0-9_-]{60,})",
    ),
    pattern("telegram-token", &[Anchor::anywhere(":AA")], r"(?-u:\b)[0-9]{8,10}:AA[A-Za-z0-9_-]{33,}"),
    pattern("anthropic-key", &[token("sk-ant-")], r"(?-u:\b)sk-ant-[A-Za-z0-9_-]{20,}"),
    pattern(
        "openai-key",
        &[token("sk-")],
        r"(?-u:\b)sk-(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9][A-Za-z0-9_-]{10,}[A-Za-z0-9]{20,}",
    ),
    pattern("groq-key", &[token("gsk_")], r"(?-u:\b)gsk_[A-Za-z0-9]{40,}"),
    pattern("xai-key", &[token("xai-")], r"(?-u:\b)xai-[A-Za-z0-9]{60,}"),
    pattern("perplexity-key", &[token("pplx-")], r"(?-u:\b)pplx-[A-Za-z0-9]{40,}"),
    pattern("replicate-token", &[token("r8_")], r"(?-u:\b)r8_[A-Za-z0-9]{37,}"),
    pattern("huggingface-token", &[token("hf_")], r"(?-u:\b)hf_[A-Za-z0-9]{30,}(?-u:\b)"),
    pattern("google-api-key", &[token("AIza")], r"(?-u:\b)AIza[0-9A-Za-z_-]{35}"),
    pattern(
        "google-oauth",
        &[token("ya29."), token("GOCSPX-")],
        r"(?-u:\b)(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,})",
    ),
    pattern(
        "stripe-key",
        &[token("sk_live_"), token("sk_test_"), token("rk_live_"), token("rk_test_"), token("whsec_")],
        r"(?-u:\b)(?:[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|whsec_[0-9A-Za-z]{24,})",
    ),
    pattern("npm-token", &[token("npm_")], r"(?-u:\b)npm_[A-Za-z0-9]{36}(?-u:\b)"),
    pattern("pypi-token", &[token("pypi-AgE")], r"(?-u:\b)pypi-AgE[A-Za-z0-9_-]{50,}"),
    pattern("rubygems-key", &[token("rubygems_")], r"(?-u:\b)rubygems_[0-9a-f]{48}(?-u:\b)"),
    pattern("docker-token", &[token("dckr_pat_")], r"(?-u:\b)dckr_pat_[A-Za-z0-9_-]{27,}"),
    pattern(
        "digitalocean-token",
        &[token("dop_v1_"), token("doo_v1_"), token("dor_v1_")],
        r"(?-u:\b)do[opr]_v1_[0-9a-f]{64}(?-u:\b)",
    ),
    pattern("databricks-token", &[token("dapi")], r"(?-u:\b)dapi[0-9a-f]{32}(?-u:\b)"),
    pattern("sendgrid-key", &[token("SG.")], r"(?-u:\b)SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    pattern("mailgun-key", &[token("key-")], r"(?-u:\b)key-[0-9a-f]{32}(?-u:\b)"),
    pattern(
        "shopify-token",
        &[token("shpat_"), token("shpss_"), token("shpca_"), token("shppa_")],
        r"(?-u:\b)shp(?:at|ss|ca|pa)_[0-9A-Fa-f]{32}(?-u:\b)",
    ),
    pattern("vault-token", &[token("hvs."), token("hvb."), token("hvr.")], r"(?-u:\b)hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    pattern(
        "doppler-token",
        &[token("dp.pt."), token("dp.st."), token("dp.ct."), token("dp.sa.")],
        r"(?-u:\b)dp\.(?:pt|ct|sa|st(?:\.[a-z0-9_-]{2,35})?)\.[A-Za-z0-9]{40,}",
    ),
    pattern("planetscale-token", &[token("pscale_")], r"(?-u:\b)pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,}"),
    pattern("supabase-token", &[token("sbp_")], r"(?-u:\b)sbp_[0-9a-f]{40}(?-u:\b)"),
    pattern("sentry-token", &[token("sntrys_"), token("sntryu_")], r"(?-u:\b)sntry(?:s_[A-Za-z0-9+/=_-]{40,}|u_[0-9a-f]{64})"),
    pattern("linear-key", &[token("lin_api_")], r"(?-u:\b)lin_api_[A-Za-z0-9]{40}(?-u:\b)"),
    pattern("notion-token", &[token("ntn_")], r"(?-u:\b)ntn_[A-Za-z0-9]{40,}"),
    pattern("figma-token", &[token("figd_")], r"(?-u:\b)figd_[A-Za-z0-9_-]{40,}"),
    pattern("postman-key", &[token("PMAK-")], r"(?-u:\b)PMAK-[0-9a-f]{24}-[0-9a-f]{34}(?-u:\b)"),
    pattern("newrelic-key", &[token("NRAK-")], r"(?-u:\b)NRAK-[A-Z0-9]{27}(?-u:\b)"),
    pattern("heroku-key", &[token("HRKU-")], r"(?-u:\b)HRKU-[A-Za-z0-9_-]{36,}"),
    pattern("atlassian-token", &[token("ATATT3")], r"(?-u:\b)ATATT3[A-Za-z0-9_=-]{60,}"),
    pattern(
        "nats-seed",
        // The third character of every seed is an A: what it encodes is zero.
        &[token("SUA"), token("SAA"), token("SOA"), token("SCA"), token("SNA"), token("SXA")],
        r"(?-u:\b)S[UAOCNX]A[A-Z2-7]{55}(?-u:\b)",
    ),
    pattern("jwt", &[token("eyJ")], r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    Default {
        plausible: SPACE,
        ..pattern("authorization", &[Anchor::any_case("bearer", 3)], r"(?i-u)\bbearer\s+(?P<secret>[A-Za-z0-9._~+/-]{12,}={0,2})")
    },
    Default {
        plausible: ASSIGNED,
        ..pattern(
            "authorization",
            &[Anchor::any_case("authorization", 5)],
            r#"(?i-u)authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:basic|token|apikey|digest)\s+(?P<secret>[A-Za-z0-9._~+/-]{6,}={0,2})"#,
        )
    },
    pattern(
        "curl-user",
        &[token("curl")],
        r#"(?-u:\b)curl[^\n]*? (?:-u|--user)[ =]?["']?[A-Za-z0-9_.@+-]+:(?P<secret>[^\s"'$<{][^\s"']*)"#,
    ),
    Default {
        plausible: HAS_USER,
        ..pattern("url-password", &[Anchor::anywhere("://")], r"://[^\s/:@]*:(?P<secret>[^\s/@\[\]$<{][^\s/@]*)@")
    },
    Default {
        name: "assignment",
        anchors: &[
            Anchor::any_case("passw", 2).going_on(),
            Anchor::any_case("passphrase", 3),
            Anchor::any_case("secret", 1).going_on(),
            Anchor::any_case("token", 0),
            Anchor::any_case("apikey", 1),
            Anchor::any_case("api_key", 2),
            Anchor::any_case("api-key", 2),
            Anchor::any_case("accesskey", 5),
            Anchor::any_case("access_key", 5),
            Anchor::any_case("access-key", 5),
            Anchor::any_case("privatekey", 5),
            Anchor::any_case("private_key", 6),
            Anchor::any_case("private-key", 6),
        ],
        plausible: ASSIGNED,
        regex: r#"(?i-u)(?P<name>passw(?:or[dt]|d)|passphrase|secret[_-]?(?:access[_-]?)?key|secret|token|(?:api|access|private)[_-]?key)(?:\\?["'])?(?P<sign>\s{0,2}=\s{0,2}|\s{0,2}:\s{0,2})(?:\\?["'])?(?P<secret>[A-Za-z0-9!#%*+./?@^_~-]{6,}={0,2})(?P<call>\()?"#,
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

#[cfg(test)]
mod tests;
