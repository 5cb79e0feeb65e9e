//! A viewer of the event stream, as a browser would be: it comes back after a break with the last cursor it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::http::{self, Lines};

const CONNECT_DEADLINE: Duration = Duration::from_secs(30);
const RECONNECT_DELAY: Duration = Duration::from_millis(200);

/// A task that listens to some runs, and what it saw.
pub struct Viewer {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    ids: BTreeMap<String, usize>,
    cursor: Option<String>,
    trouble: Option<String>,
}

impl Viewer {
    /// Listens to the runs; returns when the stream is open.
    pub async fn start(api: &str, uids: &[String]) -> Result<Self> {
        let filters: Vec<String> = uids.iter().map(|uid| format!("workflowUid={uid}")).collect();
        let path = format!("/api/agents/events?{}&limit=1000", filters.join("&"));
        let seen = Arc::default();
        let (opened, open) = oneshot::channel();
        let task = tokio::spawn(listen(api.to_owned(), path, Arc::clone(&seen), opened));
        let viewer = Self { seen, task };
        let opened = tokio::time::timeout(CONNECT_DEADLINE, open).await;
        opened.map_err(|_| anyhow!("the event stream does not open: {}", viewer.trouble()))?.context("the viewer ended")?;
        Ok(viewer)
    }

    /// Each id and how often it came.
    pub fn seen(&self) -> BTreeMap<String, usize> {
        lock(&self.seen).ids.clone()
    }

    /// The last thing that went wrong.
    pub fn trouble(&self) -> String {
        lock(&self.seen).trouble.clone().unwrap_or_else(|| "no trouble with the stream itself".to_owned())
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(api: String, path: String, seen: Arc<Mutex<Seen>>, opened: oneshot::Sender<()>) {
    let mut opened = Some(opened);
    loop {
        let cursor = lock(&seen).cursor.clone();
        let ended = match http::stream(&api, &path, cursor.as_deref()).await {
            Ok(mut lines) => {
                // Whoever waited may have given up.
                opened.take().map(|opened| opened.send(()));
                read(&mut lines, &seen).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            lock(&seen).trouble = Some(format!("{error:#}"));
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

/// Reads events until the stream ends. Messages are the events without a name.
async fn read(lines: &mut Lines, seen: &Mutex<Seen>) -> Result<()> {
    let (mut id, mut name, mut data) = (None, None, None);
    while let Some(line) = lines.next().await? {
        if let Some(value) = field(&line, "id") {
            id = Some(value.to_owned());
        } else if let Some(value) = field(&line, "event") {
            name = Some(value.to_owned());
        } else if let Some(value) = field(&line, "data") {
            data = Some(value.to_owned());
        } else if line.is_empty() {
            let mut seen = lock(seen);
            if let (None, Some(data)) = (name.take(), data.take()) {
                let message: Value = serde_json::from_str(&data).context("an event is no JSON")?;
                let id = message["id"].as_str().context("a message on the event stream has no id")?;
                *seen.ids.entry(id.to_owned()).or_default() += 1;
            }
            if let Some(id) = id.take() {
                seen.cursor = Some(id);
            }
        }
    }
    Ok(())
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let value = line.strip_prefix(name)?.strip_prefix(':')?;
    Some(value.strip_prefix(' ').unwrap_or(value))
}
