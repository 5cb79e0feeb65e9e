//! Viewers who hop: each reads for a moment from one replica, is cut off, and goes on at another with the last id it got.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tests::chance::Chance;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::publishers::hash;
use crate::sse::{Event, Parser};
use crate::world::{PATIENCE, until};

/// The longest stay at a replica, in milliseconds.
const LONGEST_STAY: u64 = 3_000;

/// How long a viewer waits that was sent away.
const REFUSED: Duration = Duration::from_millis(100);

/// What a viewer asks for.
#[derive(Debug, Clone)]
pub struct Choice {
    pub uids: Vec<&'static str>,
    pub general: bool,
}

/// Something that a viewer was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Message {
        sequence: u64,
        /// Of its data.
        hash: u64,
        /// In which of its stays.
        stay: usize,
    },
    /// What it was told before goes on after this position.
    Reset { after: u64 },
}

/// All that a viewer was told.
#[derive(Debug)]
pub struct Record {
    pub name: String,
    pub choice: Choice,
    pub told: Vec<Told>,
    /// When each stay began, and at which replica.
    pub stays: Vec<(SystemTime, usize)>,
    /// From the store time of each message to its arrival, in milliseconds.
    pub delays: Vec<u64>,
    /// The longest time without a message.
    pub silence: Duration,
}

/// What viewers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orders {
    /// All hop.
    Hop,
    /// One stays away, and comes back with what it saw last.
    OneAway,
    /// That one is back, at this replica alone.
    OneAt(usize),
    /// Each ends once it was told everything up to here.
    End(u64),
}

pub struct Viewers {
    orders: watch::Sender<Orders>,
    away: watch::Receiver<Away>,
    tasks: JoinSet<Record>,
}

/// How the one who may be away stands.
#[derive(Debug, Default)]
struct Away {
    is_away: bool,
    /// How often it was told that something is missing.
    resets: u64,
}

impl Choice {
    fn path(&self) -> String {
        let uids = self.uids.iter().map(|uid| format!("workflowUid={uid}"));
        let parts: Vec<String> = uids.chain(self.general.then(|| "channel=general".to_owned())).collect();
        format!("/api/agents/events?{}&after=1.0", parts.join("&"))
    }

    /// Whether it is for a message of this run.
    pub fn matches(&self, uid: &str, general: bool) -> bool {
        self.uids.contains(&uid) || (self.general && general)
    }
}

impl Viewers {
    /// Each begins before the first message.
    pub fn start(apis: &[SocketAddr], chance: &mut Chance) -> Self {
        let choices: [(&[&'static str], bool); 8] = [
            (&["u-0"], false),
            (&["u-1"], false),
            (&["u-2"], true),
            (&["u-3"], false),
            (&[], true),
            (&["u-0", "u-1"], false),
            (&["u-0", "u-1", "u-2", "u-3"], true),
            (&["u-0", "u-1", "u-2", "u-3"], true),
        ];
        let orders = watch::Sender::new(Orders::Hop);
        let away = watch::Sender::new(Away::default());
        let is_away = away.subscribe();
        let mut tasks = JoinSet::new();
        for (index, (uids, general)) in choices.into_iter().enumerate() {
            let choice = Choice { uids: uids.to_vec(), general };
            let name = format!("viewer {index}");
            let record =
                Record { name, choice, told: Vec::new(), stays: Vec::new(), delays: Vec::new(), silence: Duration::ZERO };
            let away = (index == 7).then(|| away.clone());
            let viewer = Viewer { record, last_id: None, heard_at: Instant::now(), multiplexed: index % 2 == 1, away };
            tasks.spawn(viewer.watch(apis.to_vec(), chance.fork(), orders.subscribe()));
        }
        Self { orders, away: is_away, tasks }
    }

    pub fn order(&self, orders: Orders) {
        self.orders.send_replace(orders);
    }

    /// Waits until the one who may be away is.
    pub async fn until_one_is_away(&self) {
        until("a viewer is away", async || self.away.borrow().is_away).await;
    }

    /// How often the one who may be away was told that something is missing.
    pub fn resets(&self) -> u64 {
        self.away.borrow().resets
    }

    /// Waits until each has been told everything up to here.
    pub async fn finish(mut self, end: u64) -> Vec<Record> {
        self.order(Orders::End(end));
        let mut records = Vec::new();
        while let Some(record) = self.tasks.join_next().await {
            records.push(record.unwrap());
        }
        records.sort_by(|one, other| one.name.cmp(&other.name));
        records
    }
}

struct Viewer {
    record: Record,
    last_id: Option<String>,
    heard_at: Instant,
    multiplexed: bool,
    /// Of the one who may be.
    away: Option<watch::Sender<Away>>,
}

impl Viewer {
    async fn watch(mut self, apis: Vec<SocketAddr>, mut chance: Chance, mut orders: watch::Receiver<Orders>) -> Record {
        let mut ended_at: Option<Instant> = None;
        loop {
            let mut replica = chance.index(apis.len());
            if let Some(away) = &self.away {
                away.send_modify(|away| away.is_away = *orders.borrow() == Orders::OneAway);
                drop(orders.wait_for(|orders| *orders != Orders::OneAway).await);
                if let Orders::OneAt(only) = *orders.borrow() {
                    replica = only;
                }
            }
            self.record.stays.push((SystemTime::now(), replica));
            let api = apis[replica];
            let stay = Duration::from_millis(chance.below(LONGEST_STAY));
            // However it ends, a viewer goes on elsewhere; after a pause where it could not stay.
            if tokio::time::timeout(stay, self.read(api)).await.is_ok() {
                tokio::time::sleep(REFUSED).await;
            }
            let orders = *orders.borrow_and_update();
            if let Orders::End(end) = orders {
                if self.position() >= end {
                    return self.record;
                }
                let waits = ended_at.get_or_insert_with(Instant::now).elapsed();
                let name = &self.record.name;
                assert!(waits < PATIENCE, "{name} is at {:?}, the stream ends at {end}", self.last_id);
            }
        }
    }

    fn position(&self) -> u64 {
        self.last_id.as_deref().map_or(0, sequence)
    }

    /// Reads from one replica until that ends.
    async fn read(&mut self, api: SocketAddr) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let io = TokioIo::new(TcpStream::connect(api).await?);
        let target =
            if self.multiplexed { format!("http://{api}{}", self.record.choice.path()) } else { self.record.choice.path() };
        let mut request = Request::get(target).header("host", api.to_string());
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        // The connection is driven by a task that ends when this is dropped.
        let mut connection = JoinSet::new();
        let answer = if self.multiplexed {
            let (mut sender, driver) = http2::handshake(TokioExecutor::new(), io).await?;
            connection.spawn(async { driver.await.is_ok() });
            sender.send_request(request).await?
        } else {
            let (mut sender, driver) = http1::handshake(io).await?;
            connection.spawn(async { driver.await.is_ok() });
            sender.send_request(request).await?
        };
        if answer.status() != 200 {
            return Ok(());
        }
        self.listen(answer.into_body()).await
    }

    async fn listen(&mut self, mut body: Incoming) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut parser = Parser::default();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else { continue };
            for event in parser.push(&bytes) {
                self.take(event);
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) {
        let Event { name, data, id } = event;
        match name.as_str() {
            "" if !data.is_empty() => {
                let sequence = sequence(id.as_deref().unwrap());
                self.record.told.push(Told::Message { sequence, hash: hash(data.as_bytes()), stay: self.record.stays.len() - 1 });
                let value: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(value["cursor"].as_str(), id.as_deref());
                if self.away.is_none() {
                    self.record.delays.extend(age(value["created_at"].as_str().unwrap()));
                    self.record.silence = self.record.silence.max(self.heard_at.elapsed());
                }
                self.heard_at = Instant::now();
            }
            "reset" => {
                self.record.told.push(Told::Reset { after: sequence(id.as_deref().unwrap()) });
                if let Some(away) = &self.away {
                    away.send_modify(|away| away.resets += 1);
                }
            }
            _ => {}
        }
        if id.is_some() {
            self.last_id = id;
        }
    }
}

/// Everything here is of the first life of the stream.
fn sequence(id: &str) -> u64 {
    let (epoch, sequence) = id.split_once('.').unwrap();
    assert_eq!(epoch, "1", "the stream never broke");
    sequence.parse().unwrap()
}

fn age(stored_at: &str) -> Option<u64> {
    let stored_at: message::Timestamp = message::Timestamp::parse(stored_at)?;
    let stored_at = SystemTime::from(stored_at.moment());
    u64::try_from(stored_at.elapsed().ok()?.as_millis()).ok()
}
