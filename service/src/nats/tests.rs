use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

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
fn a_token_is_the_text_of_its_file_without_the_end_of_the_line() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("token");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        read_token(&path)
    };
    assert_eq!(read("eyJh.bGci.OiJS").unwrap(), "eyJh.bGci.OiJS");
    assert_eq!(read("eyJh.bGci.OiJS\r\n\n").unwrap(), "eyJh.bGci.OiJS");
    for nothing in ["", "\n", " \r\n"] {
        assert!(matches!(read(nothing).unwrap_err(), NatsSettingsError::EmptyToken(told) if told == path), "{nothing:?}");
    }
}

#[test]
fn a_token_that_is_not_there_is_an_error_before_connecting() {
    let scratch = tempfile::tempdir().unwrap();
    let args = parse(&["--nats-token-file", "/nonexistent/token"]);
    let error = args.options("test", scratch.path()).unwrap_err().to_string();
    assert!(error.contains("`/nonexistent/token`"), "{error}");
}

#[test]
fn a_certificate_and_a_token_are_one_too_many() {
    use clap::Parser as _;
    let both = ["command", "--nats-token-file", "t", "--nats-cert", "c", "--nats-key", "k"];
    let error = Command::try_parse_from(both).map(drop).unwrap_err().to_string();
    assert!(error.contains("--nats-token-file") && error.contains("cannot be used with"), "{error}");
}

/// Whoever sits between the two may claim that the server does without TLS.
#[tokio::test]
async fn a_token_is_not_told_before_tls_stands() {
    tls::install_provider();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("token");
    std::fs::write(&path, "told to nobody").unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let authority = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    let authority = format!("--nats-ca-pem={authority}");
    let args = parse(&["--nats-url", &url, &authority, "--nats-token-file", path.to_str().unwrap()]);
    let connecting = args.options_to_try("test", scratch.path()).unwrap().connect(args.servers().unwrap());
    let between = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let info = r#"{"server_id":"x","version":"2.15.1","proto":1,"max_payload":1048576,"tls_required":false}"#;
        stream.write_all(format!("INFO {info}\r\n").as_bytes()).await.unwrap();
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        bytes.truncate(length);
        bytes
    };
    let (connected, heard) = tokio::join!(connecting, between);
    assert!(connected.is_err());
    // The record type of a TLS handshake.
    assert_eq!(heard.first(), Some(&22), "{}", String::from_utf8_lossy(&heard));
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
