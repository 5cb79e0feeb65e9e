//! The live side of replicas on a real stream and a real table, connected as ingest is allowed to be. What is committed, and
//! when the watermark says so, is in the tests' hands.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::{self, stream};
use ingest::consume::life::Life;
use ingest::cursor::Cursor;
use ingest::filter::Filter;
use ingest::live::{Event, Hub, Subscription};
use ingest::settled::Settled;
use ingest::stored::StoredMessage;
use message::Received;
use neighbours::Nats;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::table::Table;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const RUN: &str = "workflow.demo.build.u1.agent.codex.log";
pub(crate) const OTHER: &str = "workflow.demo.other.u2.agent.codex.log";

/// A stream, a table and the live side of one replica.
pub(crate) struct World {
    pub(crate) nats: Nats,
    pub(crate) admin: jetstream::Context,
    pub(crate) table: Table,
    pub(crate) settled: watch::Sender<Settled>,
    pub(crate) hub: Hub,
    pub(crate) stop: CancellationToken,
}

pub(crate) fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

pub(crate) fn build() -> Filter {
    Filter { runs: vec!["u1".to_owned()], ..Filter::default() }
}

impl World {
    pub(crate) async fn new(name: &str) -> Self {
        service::tls::install_provider();
        let nats = Nats::start(neighbours::nats::Options::default()).await.unwrap();
        let admin = jetstream::new(nats.admin().connect().await.unwrap());
        let subjects = ["workflow.>", "agents.workflow.>", "argo.workflow.>", "workflow_comms.agent_messages.>"];
        let config = stream::Config {
            name: "agent-comms".to_owned(),
            subjects: subjects.map(ToOwned::to_owned).to_vec(),
            ..stream::Config::default()
        };
        admin.create_stream(config).await.unwrap();
        let table = Table::new(name).await;
        let settled = watch::Sender::new(Settled::at(at(0)));
        let (hub, stop) = Self::replica(&nats, &table, &settled).await;
        Self { nats, admin, table, settled, hub, stop }
    }

    /// Another replica: a hub of its own on the same stream and table, that knows the same.
    pub(crate) async fn replica(nats: &Nats, table: &Table, settled: &watch::Sender<Settled>) -> (Hub, CancellationToken) {
        let stop = CancellationToken::new();
        let hub = Hub::new(table.pools(), settled.subscribe(), Arc::new(Life::new(None)), stop.clone());
        let jetstream = jetstream::new(nats.ingest().connect().await.unwrap());
        let running = hub.clone();
        tokio::spawn(async move { running.run(jetstream).await });
        (hub, stop)
    }

    pub(crate) async fn publish(&self, subject: &str, content: &str) -> i64 {
        self.send(subject, content, HeaderMap::new()).await
    }

    pub(crate) async fn send(&self, subject: &str, content: &str, headers: HeaderMap) -> i64 {
        let id = message::id::of_foreign(subject, content);
        let body = format!(r#"{{"v":1,"id":"{id}","content":"{content}"}}"#);
        let sent = self.admin.publish_with_headers(subject.to_owned(), headers, body.into()).await.unwrap();
        i64::try_from(sent.await.unwrap().sequence).unwrap()
    }

    pub(crate) async fn resend(&self, subject: &str, content: &str) -> i64 {
        let mut headers = HeaderMap::new();
        headers.insert(message::RESEND_HEADER, "1");
        self.send(subject, content, headers).await
    }

    /// Stores one message.
    pub(crate) async fn store(&self, sequence: i64) {
        let stream = self.admin.get_stream("agent-comms").await.unwrap();
        let sequence = sequence.unsigned_abs();
        let raw = stream.get_raw_message(sequence).await.unwrap();
        let received = Received { subject: &raw.subject, payload: &raw.payload, stored_at: raw.time, sequence };
        if let Ok(stored) = StoredMessage::decode(1, &received) {
            self.table.insert(&stored).await;
        }
    }

    /// Commits everything up to a sequence, then says so.
    pub(crate) async fn commit(&self, up_to: i64) {
        for sequence in self.settled.borrow().watermark.sequence + 1..=up_to {
            self.store(sequence).await;
        }
        self.settled.send_replace(Settled::at(at(up_to)));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn event(subscription: &mut Subscription) -> Event {
    let next = tokio::time::timeout(DEADLINE, subscription.next());
    next.await.expect("an event comes in time").expect("the stream goes on")
}

/// The first event that is wanted; what else is told before it is passed over. Heartbeats do not extend the deadline.
pub(crate) async fn until<T>(subscription: &mut Subscription, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let mut passed = Vec::new();
    let search = async {
        loop {
            let event = event(subscription).await;
            passed.push(format!("{event:.60?}"));
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(DEADLINE, search).await.ok();
    match found {
        Some(found) => found,
        None => panic!("no {what} in {DEADLINE:?}; told instead: {passed:?}; the viewer: {subscription:?}"),
    }
}

/// The next message.
pub(crate) async fn message(subscription: &mut Subscription) -> (i64, String) {
    let wanted = |event| match event {
        Event::Message(frame) => Some((frame.cursor.sequence, String::from_utf8(frame.json().to_vec()).unwrap())),
        _ => None,
    };
    until(subscription, "message", wanted).await
}

pub(crate) async fn sequences(subscription: &mut Subscription, count: usize) -> Vec<i64> {
    let mut sequences = Vec::new();
    for _ in 0..count {
        sequences.push(message(subscription).await.0);
    }
    sequences
}

pub(crate) async fn caught_up(subscription: &mut Subscription) -> Cursor {
    let wanted = |event| if let Event::CaughtUp(cursor) = event { Some(cursor) } else { None };
    until(subscription, "end of the history", wanted).await
}

pub(crate) async fn is_silent(subscription: &mut Subscription) -> bool {
    tokio::time::timeout(Duration::from_millis(300), message(subscription)).await.is_err()
}
