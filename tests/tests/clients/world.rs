//! The neighbours, two replicas as processes of their own, whoever reads, and whoever speaks.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use fantoccini::{Client, ClientBuilder};
use futures_util::StreamExt as _;
use ingest::consume::STREAM;
use neighbours::nats::Credentials;
use neighbours::{Chromium, Curl, Nats, Postgres};
use tests::chance::tell;
use tests::replica::{Replica, Setting};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::network::Network;
use crate::publisher::{Publisher, RUN};
use crate::readers::{self, Reader};

/// How long anything may take: far beyond what it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Asking a reader what it was told takes time from everybody.
const ASK: Duration = Duration::from_millis(200);
/// Streams that a replica has at once.
pub const PLACES: usize = 12;
/// A reader that goes on is told so many more messages.
const MORE: usize = 10;
const DATABASE: &str = "clients";

pub struct World {
    pub nats: Nats,
    pub postgres: Postgres,
    pub replicas: [Replica; 2],
    pub network: Network,
    pub readers: Vec<Reader>,
    pub browser: Client,
    publisher: Publisher,
    _chromium: Chromium,
    directory: PathBuf,
}

impl World {
    pub async fn start() -> Self {
        service::tls::install_provider();
        let (nats, postgres, chromium, curl) = tokio::try_join!(
            Nats::start(neighbours::nats::Options::default()),
            Postgres::start(neighbours::postgres::Options::default()),
            Chromium::start(),
            Curl::find(),
        )
        .unwrap();
        tests::replica::set_up(&nats.admin()).await.unwrap();
        let database = postgres.create_database(DATABASE).await.unwrap();
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("clients-{}", std::process::id()));
        let replica = |name: &str| {
            let setting = Setting {
                name: name.to_owned(),
                program: env!("CARGO_BIN_EXE_ingest-under-test"),
                credentials: nats.ingest(),
                database: database.clone(),
                arguments: ["--max-streams", &PLACES.to_string(), "--drain-seconds", "2"].map(ToOwned::to_owned).to_vec(),
                directory: directory.clone(),
            };
            Replica::start(setting).unwrap()
        };
        let replicas = [replica("ingest-0"), replica("ingest-1")];
        for replica in &replicas {
            until_it_serves(replica).await;
        }
        let publisher = Publisher::start(nats.publisher("demo"));
        let network = Network::start(replicas[0].api).await;
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let browser = ClientBuilder::new(connector).capabilities(chromium.capabilities()).connect(&chromium.url()).await.unwrap();
        // A document of the server, so that the streams are of the page's own origin.
        browser.goto(&format!("http://{}/openapi.json", network.address)).await.unwrap();
        let readers = vec![
            Reader::curl("curl", "", &curl, network.address, &directory),
            Reader::curl("curl over HTTP/2", "--http2-prior-knowledge", &curl, network.address, &directory),
            Reader::plain("EventSource", &browser).await,
            Reader::page("a page's script", &browser).await,
            Reader::library("a library", network.address),
        ];
        Self { nats, postgres, replicas, network, readers, browser, publisher, _chromium: chromium, directory }
    }

    /// Waits until each reader has come back and was told more, and checks what it was told.
    pub async fn resumed(&self, after: &str, connections: usize) {
        until(after, async || self.network.connections() >= connections + self.readers.len()).await;
        self.told(after).await;
    }

    /// Waits until each reader was told more than is said now, and checks what it was told.
    pub async fn told(&self, after: &str) {
        let begin = Instant::now();
        let enough = self.publisher.said().len() + MORE;
        for reader in &self.readers {
            let start = Instant::now();
            loop {
                let told = reader.told(&self.browser).await;
                if told.len() >= enough {
                    self.check_told(after, reader, &told).await;
                    break;
                }
                let (told, said) = (told.len(), self.publisher.said().len());
                assert!(start.elapsed() < PATIENCE, "after {after}, {} was told {told} messages of {said}", reader.name);
                tokio::time::sleep(ASK).await;
            }
        }
        tell(&format!("clients: {after}: {:.1} s", begin.elapsed().as_secs_f64()));
    }

    /// What a reader was told is the beginning of what was said: in this order, nothing twice, nothing left out.
    pub async fn check(&self, after: &str, reader: &Reader) {
        self.check_told(after, reader, &reader.told(&self.browser).await).await;
    }

    async fn check_told(&self, after: &str, reader: &Reader, told: &[u64]) {
        until("the publisher has its answers", async || self.publisher.said().len() >= told.len()).await;
        same(&format!("after {after}, {}", reader.name), told, &self.publisher.said()[..told.len()]);
    }

    /// Which of the readers is the plain one.
    pub fn plain(&self) -> usize {
        self.readers.iter().position(|reader| reader.name == "EventSource").unwrap()
    }

    /// Whether every reader was told that there is no place.
    pub async fn refused(&self) -> bool {
        for reader in &self.readers {
            if !reader.refused(&self.browser).await {
                return false;
            }
        }
        true
    }

    /// Takes every place that a replica has.
    pub async fn crowd(&self, replica: &Replica) -> Vec<TcpStream> {
        let mut crowd = Vec::new();
        loop {
            let mut stream = TcpStream::connect(replica.api).await.unwrap();
            let head = format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", readers::path(), replica.api);
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.unwrap();
            match &status {
                b"HTTP/1.1 200" => crowd.push(stream),
                b"HTTP/1.1 503" => return crowd,
                other => unreachable!("a stream is answered with {}", String::from_utf8_lossy(other)),
            }
        }
    }

    /// Ends everything in order; at the end each reader has the whole run. Says how many messages it has.
    pub async fn stop(self) -> usize {
        let Self { nats, replicas, readers, browser, publisher, directory, .. } = self;
        let said = publisher.stop().await;
        same("the stream and its publisher", &in_stream(&nats.admin(), said.len()).await, &said);
        for reader in readers {
            until(reader.name, async || reader.told(&browser).await.len() >= said.len()).await;
            same(reader.name, &reader.told(&browser).await, &said);
        }
        browser.close().await.unwrap();
        for mut replica in replicas {
            replica.stop(PATIENCE).await.unwrap();
            replica.check_log().unwrap();
        }
        std::fs::remove_dir_all(directory).unwrap();
        said.len()
    }
}

/// Starts a replica once more, after it has ended.
pub async fn start_again(replica: &mut Replica) {
    replica.start_again().unwrap();
    until_it_serves(replica).await;
}

async fn until_it_serves(replica: &Replica) {
    until(replica.name(), async || replica.serves().await).await;
}

/// Where the messages of the run are in the stream: so many.
async fn in_stream(admin: &Credentials, count: usize) -> Vec<u64> {
    let context = jetstream::new(admin.connect().await.unwrap());
    let stream = context.get_stream(STREAM).await.unwrap();
    let config = pull::OrderedConfig {
        filter_subjects: vec![format!("workflow.demo.{RUN}.>"), format!("workflow.general.message.demo.{RUN}.>")],
        deliver_policy: DeliverPolicy::All,
        ..pull::OrderedConfig::default()
    };
    let consumer = stream.create_consumer(config).await.unwrap();
    assert_eq!(consumer.cached_info().num_pending, count as u64);
    let messages = consumer.messages().await.unwrap().take(count);
    messages.map(|message| message.unwrap().info().unwrap().stream_sequence).collect().await
}

#[track_caller]
fn same(what: &str, told: &[u64], said: &[u64]) {
    let differs = told.iter().zip(said).position(|(told, said)| told != said);
    let around = |list: &[u64], at: usize| list[at.saturating_sub(3)..list.len().min(at + 3)].to_vec();
    if let Some(at) = differs {
        unreachable!("{what}: {:?} in place of {:?}", around(told, at), around(said, at));
    }
    assert_eq!(told.len(), said.len(), "{what}");
}

pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
