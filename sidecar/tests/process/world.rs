//! A server, a stream, directories, and sidecars in between.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use message::RESEND_HEADER;
use neighbours::certificates::IdentityFiles;
use neighbours::nats::{Credentials, Options};
use neighbours::process::Signal;
use neighbours::{Nats, Pod, Process};
use serde_json::Value;

pub use neighbours::pod::request;

/// How long anything may take: far beyond what it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Everything around the sidecars of one pod.
pub struct World {
    pub nats: Nats,
    pub pod: Pod,
}

/// A message in the stream.
#[derive(Debug, Clone)]
pub struct Stored {
    pub subject: String,
    pub resend: bool,
    pub body: Value,
}

impl Stored {
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// Whether a step said it.
    pub fn is_said(&self) -> bool {
        !matches!(self.text("kind"), "source-end" | "step-end" | "gap")
    }
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let nats = Nats::start(options).await.unwrap();
        let world = Self { nats, pod: Pod::new(env!("CARGO_BIN_EXE_agent-comms")).unwrap() };
        world.make_stream().await;
        world
    }

    pub async fn make_stream(&self) {
        let context = jetstream::new(self.nats.admin().connect().await.unwrap());
        let config = stream::Config {
            name: "agent-comms".to_owned(),
            subjects: vec!["workflow.>".to_owned()],
            duplicate_window: Duration::from_secs(600),
            allow_direct: true,
            ..stream::Config::default()
        };
        context.create_stream(config).await.unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.pod.path(name)
    }

    pub fn socket(&self, container: &str) -> PathBuf {
        self.pod.socket(container)
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.pod.log(name)
    }

    /// Starts a sidecar for the containers `main` and `side`, and waits for its sockets.
    pub async fn sidecar(&mut self, extra: &[&str]) -> Process {
        let files = self.nats.publisher("demo").files;
        self.sidecar_with(&files.certificate, &files.key, extra).await
    }

    /// The same with a certificate of the caller's choice.
    pub async fn sidecar_with(&mut self, certificate: &Path, key: &Path, extra: &[&str]) -> Process {
        let files = IdentityFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        let credentials = Credentials { files, ..self.nats.publisher("demo") };
        self.pod.start_sidecar(&credentials.url, &credentials, extra).await.unwrap()
    }

    /// The same with a token in place of a certificate.
    pub async fn sidecar_with_token(&mut self, file: &Path, extra: &[&str]) -> Process {
        let credentials = Credentials { token_file: Some(file.to_owned()), ..self.nats.publisher("demo") };
        self.pod.start_sidecar(&credentials.url, &credentials, extra).await.unwrap()
    }

    /// Everything in the stream, in its order.
    pub async fn stored(&self) -> Vec<Stored> {
        let context = jetstream::new(self.nats.admin().connect().await.unwrap());
        let mut stream = context.get_stream("agent-comms").await.unwrap();
        let state = stream.info().await.unwrap().state.clone();
        let mut stored = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            let message = stream.direct_get(sequence).await.unwrap();
            stored.push(Stored {
                subject: message.subject.to_string(),
                resend: message.headers.get(RESEND_HEADER).is_some(),
                body: serde_json::from_slice(&message.payload).unwrap(),
            });
        }
        stored
    }

    /// Waits until this many things that steps said are in the stream, and gives them.
    #[track_caller]
    pub fn said(&self, count: usize) -> impl Future<Output = Vec<Stored>> {
        let caller = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let mut said = self.stored().await;
                said.retain(Stored::is_said);
                if said.len() >= count {
                    return said;
                }
                assert!(Instant::now() < deadline, "{caller}: {} of {count} messages came", said.len());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Ends a sidecar as Kubernetes does, and says how long it took.
pub async fn terminate(mut sidecar: Process) -> Duration {
    let start = Instant::now();
    sidecar.signal(Signal::TERM).unwrap();
    loop {
        if let Some(status) = sidecar.exit().unwrap() {
            assert!(status.success(), "{status}: {}", sidecar.log_tail());
            return start.elapsed();
        }
        assert!(start.elapsed() < PATIENCE, "the sidecar does not end: {}", sidecar.log_tail());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// One HTTP request as curl makes it; gives status and body.
pub fn post(socket: &Path, content_type: &str, body: &str) -> (u16, Value) {
    request(socket, &format!("POST /messages HTTP/1.1\r\ncontent-type: {content_type}\r\n"), body)
        .map(|(status, body)| (status, serde_json::from_str(&body).unwrap_or_default()))
        .unwrap()
}

/// Checks that what steps said is there once, numbered without a hole and in the order of its bytes, source by source.
#[track_caller]
pub fn check_whole(said: &[Stored]) {
    let ids: HashSet<&str> = said.iter().map(|stored| stored.text("id")).collect();
    assert_eq!(ids.len(), said.len(), "ids are not unique");
    let mut last: std::collections::HashMap<(String, u64), (u64, u64)> = std::collections::HashMap::new();
    for stored in said {
        let source = &stored.body["source"];
        let number = |value: &Value| value.as_u64().unwrap();
        let key = (source["label"].as_str().unwrap().to_owned(), number(&source["generation"]));
        let (seq, start) = last.entry(key.clone()).or_insert((0, 0));
        assert_eq!(number(&stored.body["seq"]), *seq + 1, "{key:?}");
        assert!(number(&source["start"]) >= *start, "{key:?}");
        (*seq, *start) = (*seq + 1, number(&source["start"]));
    }
}
