use super::*;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    nats: NatsArgs,
}

fn parse(arguments: &[&str]) -> NatsArgs {
    use clap::Parser as _;
    Command::parse_from(std::iter::once("command").chain(arguments.iter().copied())).nats
}

#[test]
fn plain_text_stays_on_this_machine() {
    let scratch = tempfile::tempdir().unwrap();
    let remote = parse(&["--nats-url", "nats://nats.example:4222", "--nats-plaintext"]);
    let error = remote.options("test", scratch.path()).unwrap_err();
    assert!(matches!(error, NatsSettingsError::Plaintext(host) if host == "nats.example"));
    let local = parse(&["--nats-url", "nats://127.0.0.1:4222", "--nats-plaintext"]);
    assert!(local.options("test", scratch.path()).is_ok());
}

#[test]
fn an_unreadable_authority_is_an_error_before_connecting() {
    let scratch = tempfile::tempdir().unwrap();
    let args = parse(&["--nats-ca", "/nonexistent/ca.pem"]);
    let error = args.options("test", scratch.path()).unwrap_err().to_string();
    assert!(error.contains("`/nonexistent/ca.pem`"), "{error}");
}

#[test]
fn what_is_told_of_a_url_has_no_credentials() {
    let told = |url: &str| parse(&["--nats-url", url]).told_url();
    assert_eq!(told("tls://ci:hunter2@a:4222, nats://secret@b,c:4222"), "tls://[redacted]@a:4222, nats://[redacted]@b,c:4222");
    let error = parse(&["--nats-url", "tls://ci:hunter2@a:port"]).servers().unwrap_err();
    assert_eq!(error.to_string(), "nats url `tls://[redacted]@a:port` cannot be read; write it as tls://host:4222");
}

#[test]
fn delays_grow_to_the_longest_and_differ() {
    let delays: Vec<_> = (1..40).map(reconnect_delay).collect();
    assert!(delays.iter().all(|delay| *delay <= LONGEST_DELAY));
    assert!(delays[0] <= Duration::from_millis(50));
    assert!(delays[30] >= LONGEST_DELAY / 2);
    let same: std::collections::HashSet<_> = (0..20).map(|_| reconnect_delay(40)).collect();
    assert!(same.len() > 1, "no jitter");
}
