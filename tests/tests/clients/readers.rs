//! The readers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fantoccini::Client;
use futures_util::StreamExt as _;
use neighbours::process::Launch;
use neighbours::{Curl, Process};
use reqwest_eventsource::{Error, Event, EventSource};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::documented;
use crate::publisher::RUN;

/// One of them.
#[derive(Debug)]
pub struct Reader {
    pub name: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The loop around `curl`, and the file that it writes.
    Curl { events: PathBuf, process: Process },
    /// An object of the page with `told` and `state`.
    Page { object: &'static str },
    /// A library.
    Library { heard: Arc<Mutex<Heard>>, _task: AbortOnDropHandle<()> },
}

#[derive(Debug, Default)]
struct Heard {
    told: Vec<(String, String)>,
    refused: bool,
}

/// Where the stream of the run is.
pub fn path() -> String {
    format!("/api/agents/events?runId={RUN}")
}

impl Reader {
    /// `curl`, in the loop of the documentation, with these further options.
    pub fn curl(name: &'static str, options: &str, curl: &Curl, server: SocketAddr, directory: &Path) -> Self {
        let directory = directory.join(name.replace('/', "-"));
        std::fs::create_dir_all(&directory).unwrap();
        let written = documented::curl_loop();
        // Heartbeats are 15 seconds apart, and nobody waits for them here.
        let script = written.replace("--speed-time 40", &format!("--speed-time 2 {options}"));
        assert_ne!(script, written);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).current_dir(&directory).env_clear();
        command.env("PATH", curl.search_path()).env("SERVER", format!("http://{server}")).env("RUN", RUN);
        let process = Process::start(Launch::new(name, command, directory.join("errors.txt"))).unwrap();
        Self { name, kind: Kind::Curl { events: directory.join("events.txt"), process } }
    }

    /// A browser's `EventSource`, and nothing else.
    pub async fn plain(name: &'static str, browser: &Client) -> Self {
        // Whatever is opened on this page is counted.
        let script = "
            window.opened = 0;
            window.EventSource = class extends EventSource {
                constructor(...given) { super(...given); window.opened += 1; }
            };
            const source = new EventSource(arguments[0]);
            window.plain = { told: [], get state() { return ['connecting', 'open', 'closed'][source.readyState]; } };
            source.onmessage = (event) => plain.told.push([event.lastEventId, JSON.parse(event.data).cursor]);
        ";
        browser.execute(script, vec![path().into()]).await.unwrap();
        Self { name, kind: Kind::Page { object: "plain" } }
    }

    /// The script of the documentation, in a browser.
    pub async fn page(name: &'static str, browser: &Client) -> Self {
        let begin = "
            window.page = { told: [], get state() { return window.opened > 2 ? 'opened again' : 'as ever'; } };
            follow(arguments[0], (message, id) => page.told.push([id, message.cursor]));
        ";
        browser.execute(&format!("{}{begin}", documented::page_script()), vec![path().into()]).await.unwrap();
        Self { name, kind: Kind::Page { object: "page" } }
    }

    /// A library that comes back by itself, and where it gives up, a program that begins anew with the position it has.
    pub fn library(name: &'static str, server: SocketAddr) -> Self {
        let heard = Arc::default();
        let task = AbortOnDropHandle::new(tokio::spawn(listen(format!("http://{server}{}", path()), Arc::clone(&heard))));
        Self { name, kind: Kind::Library { heard, _task: task } }
    }

    /// The messages that it was told, by their positions, each of which stands in the event and in its data.
    pub async fn told(&self, browser: &Client) -> Vec<u64> {
        let told: Vec<(String, String)> = match &self.kind {
            Kind::Curl { events, .. } => messages(&std::fs::read_to_string(events).unwrap_or_default()),
            Kind::Page { object } => {
                let told = browser.execute(&format!("return {object}.told"), Vec::new()).await.unwrap();
                serde_json::from_value(told).unwrap()
            }
            Kind::Library { heard, .. } => heard.lock().unwrap().told.clone(),
        };
        let sequence = |(id, cursor): (String, String)| {
            assert_eq!(id, cursor, "{}", self.name);
            id.strip_prefix("1.").unwrap().parse().unwrap()
        };
        told.into_iter().map(sequence).collect()
    }

    /// Whether it was told that there is no place.
    pub async fn refused(&self, browser: &Client) -> bool {
        match &self.kind {
            Kind::Curl { process, .. } => std::fs::read_to_string(process.log()).unwrap().contains("error: 503"),
            Kind::Page { .. } => matches!(self.state(browser).await.as_str(), "closed" | "opened again"),
            Kind::Library { heard, .. } => heard.lock().unwrap().refused,
        }
    }

    /// How an object of the page stands.
    pub async fn state(&self, browser: &Client) -> String {
        let Kind::Page { object } = &self.kind else { return String::new() };
        let state = browser.execute(&format!("return {object}.state"), Vec::new()).await.unwrap();
        state.as_str().unwrap().to_owned()
    }
}

/// The messages of a file of whole events.
fn messages(events: &str) -> Vec<(String, String)> {
    let whole = events.rfind("\n\n").map_or("", |end| &events[..end]);
    let blocks = whole.split("\n\n").filter(|block| !block.contains("event: "));
    let message = |block: &str| {
        let field = |name| block.lines().find_map(|line| line.strip_prefix(name));
        let data: Value = serde_json::from_str(field("data: ")?).unwrap();
        Some((field("id: ").unwrap().to_owned(), data["cursor"].as_str().unwrap().to_owned()))
    };
    blocks.filter_map(message).collect()
}

async fn listen(url: String, heard: Arc<Mutex<Heard>>) {
    let mut last = String::new();
    loop {
        let mut source = EventSource::get(if last.is_empty() { url.clone() } else { format!("{url}&after={last}") });
        while let Some(event) = source.next().await {
            match event {
                Ok(Event::Message(event)) if event.event == "message" && !event.data.is_empty() => {
                    let data: Value = serde_json::from_str(&event.data).unwrap();
                    last.clone_from(&event.id);
                    heard.lock().unwrap().told.push((event.id, data["cursor"].as_str().unwrap().to_owned()));
                }
                Err(Error::InvalidStatusCode(status, _)) => {
                    assert_eq!(status.as_u16(), 503);
                    heard.lock().unwrap().refused = true;
                }
                // It comes back by itself.
                Ok(_) | Err(_) => {}
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
