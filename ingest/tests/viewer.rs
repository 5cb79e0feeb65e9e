//! Somebody who watches a run through the event stream of one replica, for as long as the test goes on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ingest::cursor::Cursor;
use memchr::memmem;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// What a viewer was told.
#[derive(Debug, Default, Clone)]
pub struct Told {
    /// The messages, in the order in which they came.
    pub messages: Vec<Cursor>,
    /// Reasons of resets.
    pub resets: Vec<String>,
    /// Whether the history was told once.
    pub caught_up: bool,
}

/// A viewer of the run `u-1`.
#[derive(Debug)]
pub struct Viewer {
    told: Arc<Mutex<Told>>,
    reading: JoinHandle<()>,
}

impl Viewer {
    /// Begins after a cursor, or with the newest messages.
    pub async fn start(api: SocketAddr, after: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(api).await.expect("connected");
        let after = after.map(|cursor| format!("&after={cursor}")).unwrap_or_default();
        let request = format!("GET /api/agents/events?workflowUid=u-1{after} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let told = Arc::<Mutex<Told>>::default();
        let reading = tokio::spawn(read(BufReader::new(stream), told.clone()));
        Self { told, reading }
    }

    pub fn told(&self) -> Told {
        self.told.lock().expect("no panic").clone()
    }

    /// Waits until something holds of what was told.
    #[track_caller]
    pub fn until<'a>(&'a self, what: &'a str, mut holds: impl FnMut(&Told) -> bool + 'a) -> impl Future<Output = Told> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let start = Instant::now();
            loop {
                let told = self.told();
                if holds(&told) {
                    return told;
                }
                let last = told.messages.last();
                assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "{caller}: waited in vain for {what}; {} messages, the last {last:?}, resets {:?}",
                    told.messages.len(),
                    told.resets
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut stream: BufReader<TcpStream>, told: Arc<Mutex<Told>>) {
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) && line != "\r\n" {
        line.clear();
    }
    let mut text = Vec::new();
    loop {
        let mut size = String::new();
        if !stream.read_line(&mut size).await.is_ok_and(|count| count > 0) {
            return;
        }
        let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
        let mut chunk = vec![0; size + 2];
        if stream.read_exact(&mut chunk).await.is_err() {
            return;
        }
        // An event of many chunks is not searched again from its beginning with each of them.
        let mut searched = text.len().saturating_sub(1);
        text.extend_from_slice(&chunk[..size]);
        while let Some(end) = memmem::find(&text[searched..], b"\n\n").map(|at| searched + at) {
            take(std::str::from_utf8(&text[..end]).expect("UTF-8"), &told);
            text.drain(..end + 2);
            searched = 0;
        }
    }
}

fn take(event: &str, told: &Mutex<Told>) {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let mut told = told.lock().expect("no panic");
    match (field("event:"), field("id:"), field("data:")) {
        (None, Some(id), Some(_)) => told.messages.push(id.parse().expect("a cursor")),
        (Some("reset"), _, Some(data)) => {
            let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
            told.resets.push(data["reason"].as_str().expect("a reason").to_owned());
        }
        (Some("caught_up"), ..) => told.caught_up = true,
        _ => {}
    }
}
