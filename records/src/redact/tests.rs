use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let mut redactions = Redactions::new();
    let replaced = Redactor::default().text(text, &mut redactions);
    assert_eq!(replaced.as_deref().unwrap_or(text), expected);
    assert_eq!(
        replaced.is_some_and(|replaced| replaced != text),
        !redactions.is_empty(),
        "each replacement is counted: {redactions:?}"
    );
}

#[track_caller]
fn untouched(text: &str) {
    check(text, text);
}

#[test]
fn cloud_keys() {
    check("id AKIAIOSFODNN7EXAMPLE.", "id [redacted:aws-access-key-id].");
    check("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_SECRET_ACCESS_KEY=[redacted:aws-secret-key]");
    check(&format!("key AIza{}", "x".repeat(35)), "key [redacted:google-api-key]");
    untouched("AKIA is a prefix, and AKIAIOSFODNN7EXAMPLEANDMORE is no key");
    untouched("AIzaShort");
}

#[test]
fn tokens_with_a_form_of_their_own() {
    check(&format!("ghp_{}", "a1".repeat(18)), "[redacted:github-token]");
    check(&format!("x github_pat_{}", "a1_".repeat(25)), "x [redacted:github-token]");
    check("glpat-abcdefghij0123456789", "[redacted:gitlab-token]");
    check("xoxb-123456789012-abcdefGHIJ", "[redacted:slack-token]");
    check(
        "https://hooks.slack.com/services/T000/B000/abcdefghijkl",
        "https://hooks.slack.com/[redacted]".replace("[redacted]", "services/[redacted:slack-webhook]").as_str(),
    );
    check(&format!("sk-ant-api03-{}", "aB3_".repeat(10)), "[redacted:anthropic-key]");
    check(&format!("sk-proj-{}", "aB3d".repeat(10)), "[redacted:openai-key]");
    check(&format!("npm_{}", "a1".repeat(18)), "[redacted:npm-token]");
    check(&format!("hf_{}", "aB".repeat(17)), "[redacted:huggingface-token]");
    check(&format!("sk_live_{}", "aB3d".repeat(6)), "[redacted:stripe-key]");
    untouched("ghp_short, glpat-short, xoxb-, sk-learn-is-a-library, hf_hub, npm_config_registry");
    untouched("task-management-for-a-very-long-identifier-of-a-branch");
    untouched("sk-estimator-with-long-but-plain-words-in-it");
}

#[test]
fn jwt_bearer_and_basic() {
    let jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJmYWtlLXVzZXIifQ.ZmFrZS1zaWduYXR1cmU";
    check(jwt, "[redacted:jwt]");
    check(&format!("Authorization: Bearer {jwt}"), "Authorization: Bearer [redacted:jwt]");
    check("authorization: bearer abcdef0123456789", "authorization: bearer [redacted:authorization]");
    check("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic [redacted:authorization]");
    untouched("the bearer of this letter");
    untouched("Authorization: Bearer $TOKEN");
    untouched("eyJ is how they begin");
}

#[test]
fn private_keys_with_and_without_an_end() {
    check(
        "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\nAAAA\n-----END OPENSSH PRIVATE KEY-----\nz",
        "a\n[redacted:private-key]\nz",
    );
    check("-----BEGIN PRIVATE KEY-----\nMIIEv", "[redacted:private-key]");
    untouched("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----");
    untouched("mounts the PRIVATE KEY file");
}

#[test]
fn passwords_in_urls() {
    check(
        "postgres://lab:hunter2-EXAMPLE@db.internal.example:5432/lab",
        "postgres://lab:[redacted:url-password]@db.internal.example:5432/lab",
    );
    check(
        "redis://:s3cr3t@host/0 and http://a:b@c",
        "redis://:[redacted:url-password]@host/0 and http://a:[redacted:url-password]@c",
    );
    untouched("http://localhost:8080/path and ssh://git@github.com:22/x");
    untouched("postgres://user:$PASSWORD@host and https://u:${P}@h and https://u:<password>@h");
    untouched("see http://example.org:80/a, mail me@example.org");
}

#[test]
fn assignments_by_name() {
    check("password=hunter2-EXAMPLE", "password=[redacted:assignment]");
    check("DB_PASSWORD: 'correct-horse-1'", "DB_PASSWORD: '[redacted:assignment]'");
    check(r#"{\"api_key\": \"abc123def456\"}"#, r#"{\"api_key\": \"[redacted:assignment]\"}"#);
    check("password=correcthorse", "password=[redacted:assignment]");
    check("dbPassword = abc123!x", "dbPassword = [redacted:assignment]");
    check("export GITHUB_TOKEN=abcd1234efgh", "export GITHUB_TOKEN=[redacted:assignment]");
    check("https://x.example/?access_token=abc123def456&b=1", "https://x.example/?access_token=[redacted:assignment]&b=1");
}

#[test]
fn words_of_prose_and_code_are_no_assignments() {
    for text in [
        "password: the user must enter it",
        "token = tokenizer.next_token()",
        "token: string",
        "let secret = read_secret()?;",
        "input_tokens: 142740",
        "max_tokens=4096",
        "password=$DB_PASSWORD",
        "password=${DB_PASSWORD}",
        "token=<your token>",
        "password=********",
        "secret: true, token: undefined",
        "api_key=os.environ[\"API_KEY\"]",
        "tokenization=fast1234",
        "Unexpected token: identifier",
        "token: /var/run/secrets/token2",
        "password=password password=args.password",
    ] {
        untouched(text);
    }
}

#[test]
fn user_patterns_run_too_and_a_group_named_secret_narrows_them() {
    let user = [("ticket".to_owned(), r"TICKET-\d+".to_owned()), ("pin".to_owned(), r"pin (?P<secret>\d{4})".to_owned())];
    let mut redactions = Redactions::new();
    let text = Redactor::new(&user).unwrap().text("TICKET-12, TICKET-13, pin 1234", &mut redactions);
    assert_eq!(text.as_deref(), Some("[redacted:ticket], [redacted:ticket], pin [redacted:pin]"));
    assert_eq!(redactions, [("pin".to_owned(), 1), ("ticket".to_owned(), 2)].into_iter().collect());
}

#[test]
fn a_user_pattern_that_cannot_be_used_is_named() {
    let error = Redactor::new(&[("broken".to_owned(), "(".to_owned())]).unwrap_err();
    assert!(error.to_string().contains("`broken`"));
    assert!(Redactor::new(&[("huge".to_owned(), r"\w{1000}{1000}".to_owned())]).is_err());
}

#[test]
fn nested_texts_keys_and_telling_names_are_covered() {
    let attrs = serde_json::json!({
        "a": [{"b": "AKIAIOSFODNN7EXAMPLE"}], "password": "hunter2", "AKIAIOSFODNN7EXAMPLE": 1, "tokens": "many of them", "n": 5
    });
    let Value::Object(attrs) = attrs else { unreachable!() };
    let agent_id = Some("ghp_abcdefghijklmnopqrstuvwxyz0123456789".to_owned());
    let mut draft = Draft { agent_id, attrs, ..Draft::new("message", "x") };
    let mut redactions = Redactions::new();
    Redactor::default().draft(&mut draft, &mut redactions);
    let expected = serde_json::json!({
        "a": [{"b": "[redacted:aws-access-key-id]"}], "password": "[redacted:assignment]",
        "[redacted:aws-access-key-id]": 1, "tokens": "many of them", "n": 5
    });
    assert_eq!(Value::Object(draft.attrs), expected);
    assert_eq!(redactions["aws-access-key-id"], 2);
    assert_eq!(draft.agent_id.as_deref(), Some("[redacted:github-token]"));
}
