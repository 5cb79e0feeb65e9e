use std::fs;
use std::time::Duration;

use async_nats::jetstream;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const WAIT: Duration = Duration::from_secs(20);

async fn with_stream(nats: &Nats) -> jetstream::Context {
    let admin = jetstream::new(nats.admin().connect().await.unwrap());
    let config = jetstream::stream::Config {
        name: "agent-comms".to_owned(),
        subjects: vec!["workflow.>".to_owned()],
        max_bytes: 10 << 30,
        ..Default::default()
    };
    admin.create_stream(config).await.unwrap();
    admin
}

/// Waits for the server's asynchronous word that it refused something that this client did.
async fn refusal(credentials: &Credentials, subject: &'static str, subscribe: bool) -> String {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let client = credentials
        .connect_options()
        .event_callback(move |event| {
            let sender = sender.clone();
            async move {
                if let async_nats::Event::ServerError(error) = event {
                    sender.send(error.to_string()).unwrap();
                }
            }
        })
        .connect(&credentials.url)
        .await
        .unwrap();
    let subscription = if subscribe {
        Some(client.subscribe(subject).await.unwrap())
    } else {
        client.publish(subject, "x".into()).await.unwrap();
        None
    };
    let answer = tokio::time::timeout(WAIT, receiver.recv()).await;
    drop(subscription);
    answer.unwrap_or_else(|_| panic!("{subject} was not refused")).unwrap().to_lowercase()
}

#[tokio::test]
async fn a_publisher_is_acknowledged_and_hears_the_general_channel() {
    let nats = Nats::start(Options::default()).await.unwrap();
    with_stream(&nats).await;
    let publisher = nats.publisher("demo").connect().await.unwrap();
    let mut general = publisher.subscribe("workflow.general.>").await.unwrap();
    publisher.flush().await.unwrap();
    let stream = jetstream::new(publisher);
    for subject in ["workflow.demo.run.uid.agent.a.message", "workflow.general.message.demo.run.uid.agent.a"] {
        stream.publish(subject, "hello".into()).await.unwrap().await.unwrap();
    }
    let heard = tokio::time::timeout(WAIT, general.next()).await.unwrap().unwrap();
    assert_eq!(heard.subject.as_str(), "workflow.general.message.demo.run.uid.agent.a");
}

#[tokio::test]
async fn a_publisher_is_refused_everything_else() {
    let nats = Nats::start(Options::default()).await.unwrap();
    with_stream(&nats).await;
    let publisher = nats.publisher("demo");
    for subject in [
        "workflow.other.run.uid.agent.a.message",
        "workflow.general.message",
        "workflow.general.message.other.run.uid.agent.a",
        "$JS.API.STREAM.PURGE.agent-comms",
        "$JS.API.STREAM.INFO.agent-comms",
    ] {
        let error = refusal(&publisher, subject, false).await;
        assert!(error.contains("permissions violation"), "{subject}: {error}");
    }
    for subject in ["workflow.demo.>", "workflow.other.>", "$JS.API.>", "_INBOX_ingest.>"] {
        let error = refusal(&publisher, subject, true).await;
        assert!(error.contains("permissions violation"), "{subject}: {error}");
    }
}

#[tokio::test]
async fn ingest_pulls_and_cannot_empty_the_stream() {
    let nats = Nats::start(Options::default()).await.unwrap();
    let admin = with_stream(&nats).await;
    let durable = jetstream::consumer::pull::Config { durable_name: Some("jangar-agent-comms".to_owned()), ..Default::default() };
    let stream = admin.get_stream("agent-comms").await.unwrap();
    stream.create_consumer(durable).await.unwrap();
    admin.publish("workflow.demo.r.u.agent.a.message", "hello".into()).await.unwrap().await.unwrap();

    let ingest = jetstream::new(nats.ingest().connect().await.unwrap());
    let stream = ingest.get_stream("agent-comms").await.unwrap();
    let consumer: jetstream::consumer::PullConsumer = stream.get_consumer("jangar-agent-comms").await.unwrap();
    let mut messages = consumer.fetch().max_messages(1).messages().await.unwrap();
    let message = messages.next().await.unwrap().unwrap();
    message.double_ack().await.unwrap();
    for subject in [
        "$JS.API.STREAM.PURGE.agent-comms",
        "$JS.API.STREAM.DELETE.agent-comms",
        "$JS.API.CONSUMER.DELETE.agent-comms.jangar-agent-comms",
    ] {
        assert!(refusal(&nats.ingest(), subject, false).await.contains("permissions violation"));
    }
}

#[tokio::test]
async fn a_client_without_tls_is_refused() {
    let nats = Nats::start(Options::default()).await.unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, nats.port())).await.unwrap();
    stream.write_all(b"CONNECT {\"verbose\":true}\r\nPING\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(WAIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("INFO ") && !answer.contains("PONG"), "{answer}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let nats = Nats::start(Options::default()).await.unwrap();
    let options = async_nats::ConnectOptions::new().require_tls(true).add_root_certificates(nats.ca());
    assert!(options.connect(nats.url()).await.is_err());
}

#[tokio::test]
async fn a_killed_server_comes_back_with_its_stream() {
    let mut nats = Nats::start(Options::default()).await.unwrap();
    let admin = with_stream(&nats).await;
    admin.publish("workflow.demo.r.u.agent.a.message", "kept".into()).await.unwrap().await.unwrap();
    nats.kill().unwrap();
    nats.start_again().await.unwrap();
    let admin = jetstream::new(nats.admin().connect().await.unwrap());
    let mut stream = admin.get_stream("agent-comms").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
    nats.stop().await.unwrap();
    assert!(port::is_free(nats.port()));
}

#[tokio::test]
async fn a_kept_directory_survives_its_server_and_a_temporary_one_does_not() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { directory: Some(home.path().join("kept")), ..Options::default() };
    let kept = Nats::start(options.clone()).await.unwrap();
    let temporary = Nats::start(Options::default()).await.unwrap();
    let (ca, gone) = (fs::read(kept.ca()).unwrap(), temporary.ca());
    drop((kept, temporary));
    assert!(!gone.exists());
    let again = Nats::start(options).await.unwrap();
    assert_eq!(fs::read(again.ca()).unwrap(), ca);
    again.publisher("demo").connect().await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let nats = Nats::start(Options::default()).await.unwrap();
    let options = Options { port: Some(nats.port()), ..Options::default() };
    let error = Nats::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("port {} of 127.0.0.1 is in use", nats.port())), "{error}");
}
