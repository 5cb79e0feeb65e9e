use std::collections::BTreeSet;

use super::*;
use crate::redact::{Redactions, Redactor};

/// Of a pattern: its name, a text with a secret in angle quotes, and texts that only look like one.
type Case = (&'static str, String, Vec<String>);

fn case(name: &'static str, hit: impl Into<String>, misses: &[&str]) -> Case {
    (name, hit.into(), misses.iter().map(|miss| (*miss).to_owned()).collect())
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let token = |prefix: &str, body: &str, count: usize| format!("at «{prefix}{}», then", body.repeat(count));
    let hex = "0123456789abcdef";
    vec![
        case(
            "private-key",
            "a «-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIIr\\n-----END EC PRIVATE KEY-----» z",
            &["-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "mounts the PRIVATE KEY file"],
        ),
        case("age-key", token("AGE-SECRET-KEY-1", "QPZRY9X8GF", 6).replacen("QP", "", 1), &["AGE-SECRET-KEY-1SHORT"]),
        case(
            "aws-access-key-id",
            "id «AKIAIOSFODNN7EXAMPLE».",
            &["AKIA is a prefix", "AKIAIOSFODNN7EXAMPLEANDMORE", "XAKIAIOSFODNN7EXAMPLE"],
        ),
        case(
            "aws-secret-key",
            "aws_session_token: \"«wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»\"",
            &["aws_secret_access_key = none", "aws_secret_name: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
        ),
        case(
            "azure-storage-key",
            format!("AccountName=a;AccountKey=«{}==»;EndpointSuffix=core", "aB3/".repeat(21)),
            &["AccountKey=short", "AccountKey is needed"],
        ),
        case(
            "azure-signature",
            "https://a.blob.core.example/c?sv=2026&sig=«abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG%3D»&se=1",
            &["https://a.example/?sig=short", "design=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ"],
        ),
        case("azure-client-secret", format!("is «abc8Q~{}»", "aB3_".repeat(8)), &["abc8Q~short", "8Q~ alone"]),
        case("github-token", token("ghp_", "a1", 18), &["ghp_short", "xghp_a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"]),
        case("github-token", token("github_pat_", "a1_", 25), &["github_pat_11"]),
        case("gitlab-token", "glpat-abcdefghij0123456789".replace("glpat", "«glpat") + "»", &["glpat-short", "glrt-is-short"]),
        case("grafana-token", format!("«glsa_{}_0123abcd»", "aB".repeat(16)), &["glsa_short_0123abcd", "glc_short"]),
        case("slack-token", "x «xoxb-123456789012-abcdefGHIJ»", &["xoxb-", "xoxo-123456789012-abcdefGHIJ", "xapp-1-A"]),
        case(
            "slack-webhook",
            "https://hooks.slack.com/services/«T000/B000/abcdefghijkl»",
            &["https://hooks.slack.com/docs", "hooks.slack.com/services/T0"],
        ),
        case(
            "discord-webhook",
            format!("https://discord.com/api/webhooks/123456789012345678/«{}»", "aB3_-".repeat(13)),
            &["/api/webhooks/123456789012345678/short", "/api/webhooks/list"],
        ),
        case("telegram-token", format!("bot «123456789:AA{}»", "aB3".repeat(11)), &["12:AAaB3", "123456789:AAshort"]),
        case("anthropic-key", token("sk-ant-api03-", "aB3_", 10), &["sk-ant-short"]),
        case(
            "openai-key",
            token("sk-proj-", "aB3d", 10),
            &[
                "sk-learn-is-a-library",
                "task-management-for-a-very-long-identifier-of-a-branch",
                "sk-estimator-with-long-but-plain-words-in-it",
            ],
        ),
        case("groq-key", token("gsk_", "aB3d", 13), &["gsk_short"]),
        case("xai-key", token("xai-", "aB3d", 16), &["xai-explainable-models"]),
        case("perplexity-key", token("pplx-", "aB3d", 12), &["pplx-70b-online"]),
        case("replicate-token", token("r8_", "aB3", 13), &["r8_short"]),
        case("huggingface-token", token("hf_", "aB", 17), &["hf_hub_download", "hf_transfer"]),
        case("google-api-key", token("AIza", "x", 35), &["AIzaShort"]),
        case("google-oauth", token("ya29.", "a0_-", 8), &["ya29.short", "GOCSPX-short"]),
        case("stripe-key", token("sk_live_", "aB3d", 6), &["sk_live_short", "task_test_results_of_the_run_abc"]),
        case("npm-token", token("npm_", "a1", 18), &["npm_config_registry", "npm_a1"]),
        case("pypi-token", token("pypi-AgE", "IcHlwaS5", 8), &["pypi-AgEshort", "pypi-mirror"]),
        case("rubygems-key", token("rubygems_", hex, 3), &["rubygems_mirror"]),
        case("docker-token", token("dckr_pat_", "aB3", 9), &["dckr_pat_short"]),
        case("digitalocean-token", token("dop_v1_", hex, 4), &["dop_v1_0123"]),
        case("databricks-token", token("dapi", hex, 2), &["dapi0123", "dapid"]),
        case("sendgrid-key", format!("«SG.{}.{}»", "aB".repeat(11), "x".repeat(43)), &["SG.short.x", "SG. Then"]),
        case("mailgun-key", token("key-", hex, 2), &["key-value", "monkey-0123456789abcdef0123456789abcdef"]),
        case("shopify-token", token("shpat_", hex, 2), &["shpat_0123"]),
        case("vault-token", token("hvs.", "aB3_", 6), &["hvs.short", "hvs.example.org"]),
        case("doppler-token", token("dp.st.prod.", "aB3d", 10), &["dp.pt.short"]),
        case("planetscale-token", token("pscale_tkn_", "aB3_", 8), &["pscale_tkn_short", "pscale_branch"]),
        case("supabase-token", token("sbp_", "0123abcd", 5), &["sbp_short"]),
        case("sentry-token", token("sntrys_", "aB3+", 10), &["sntrys_short"]),
        case("linear-key", token("lin_api_", "aB3d", 10), &["lin_api_short"]),
        case("notion-token", token("ntn_", "aB3d", 11), &["ntn_short"]),
        case("figma-token", token("figd_", "aB3-", 10), &["figd_short"]),
        case("postman-key", format!("«PMAK-{}-{}»", "0123abcd".repeat(3), "01".repeat(17)), &["PMAK-0123-01"]),
        case("newrelic-key", token("NRAK-", "A1B", 9), &["NRAK-A1B"]),
        case("heroku-key", token("HRKU-AA", "aB3_", 10), &["HRKU-short"]),
        case("atlassian-token", token("ATATT3", "aB3_", 16), &["ATATT3short"]),
        case("nats-seed", token("SUA", "B2C3D", 11), &["SUACCESS", "SUAB2C3D"]),
        case(
            "jwt",
            "is «eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJmYWtlLXVzZXIifQ.ZmFrZS1zaWduYXR1cmU»",
            &["eyJ is how they begin", "eyJhbGciOiJIUzI1NiJ9 alone"],
        ),
        case(
            "authorization",
            "authorization: BEARER «abcdef0123456789»",
            &["the bearer of this letter", "Authorization: Bearer $TOKEN"],
        ),
        case(
            "authorization",
            "\"Authorization\": \"Basic «dXNlcjpwYXNzd29yZA==»\"",
            &["authorization: basic", "authorization is needed"],
        ),
        case(
            "curl-user",
            "curl -sS -u deploy:«hunter2!» https://x.example",
            &["curl -u deploy https://x.example", "curl -u $USER:$PASS x", "run -u a:b"],
        ),
        case(
            "url-password",
            "redis://:«s3cr3t»@host/0",
            &[
                "http://localhost:8080/path and ssh://git@github.com:22/x",
                "postgres://user:$PASSWORD@host and https://u:${P}@h and https://u:<password>@h",
                "see http://example.org:80/a, mail me@example.org",
            ],
        ),
        case(
            "assignment",
            "export GITHUB_TOKEN=«abcd1234efgh»",
            &["token = tokenizer.next_token()", "api_key=os.environ[\"API_KEY\"]"],
        ),
        case("assignment", "\"private-key\" : '«abc123def456»'", &["private_key: /etc/keys/tls.key"]),
        case("assignment", "Access_Key=«abc123def456»", &["accesskey: none"]),
        case("assignment", "passphrase: «correct-horse-1»", &["passphrase: prompt"]),
    ]
}

#[test]
fn every_pattern_has_hits_and_near_misses() {
    let redactor = Redactor::default();
    for (name, hit, misses) in cases() {
        let (before, rest) = hit.split_once('«').unwrap();
        let (secret, after) = rest.split_once('»').unwrap();
        let mut redactions = Redactions::new();
        let replaced = redactor.text(&format!("{before}{secret}{after}"), &mut redactions);
        assert_eq!(replaced.as_deref(), Some(format!("{before}[redacted:{name}]{after}").as_str()), "{name}");
        assert_eq!(redactions, [(name.to_owned(), 1)].into_iter().collect(), "{name}");
        for miss in misses {
            assert_eq!(redactor.text(&miss, &mut redactions).filter(|replaced| *replaced != miss), None, "{name}");
        }
    }
    let tested: BTreeSet<&str> = cases().iter().map(|(name, ..)| *name).collect();
    let all: BTreeSet<&str> = DEFAULTS.iter().map(|default| default.name).collect();
    assert_eq!(tested, all);
}

#[test]
fn a_secret_is_found_wherever_it_stands_in_a_text() {
    let redactor = Redactor::default();
    for (name, hit, _) in cases() {
        let hit = hit.replace(['«', '»'], "");
        for length in [0, 1, 2, 29, 30, 31, 32, 33, 63, 64, 65] {
            let text = format!("{}\n{hit}\n{}", ".".repeat(length), ".".repeat(length / 2));
            assert!(
                redactor.text(&text, &mut Redactions::new()).is_some_and(|text| text.contains("[redacted:")),
                "{name} {length}"
            );
        }
    }
}

#[test]
fn no_anchor_hides_a_match() {
    for default in DEFAULTS {
        let pattern = regex::Regex::new(default.regex).unwrap();
        for (_, hit, misses) in cases() {
            for text in misses.into_iter().chain([hit.replace(['«', '»'], "")]) {
                let anchored = default.anchors.iter().any(|anchor| anchor.is_in(&text, default.plausible));
                assert!(anchored || !pattern.is_match(&text), "{} in {text}", default.name);
            }
        }
    }
    assert!(DEFAULTS.len() <= 64, "each pattern is a bit");
}

#[test]
fn the_page_on_parsing_names_every_pattern() {
    let page = include_str!("../../../../docs/parsing.md");
    for default in DEFAULTS {
        assert!(page.contains(&format!("`{}`", default.name)), "{} is missing in docs/parsing.md", default.name);
    }
}
