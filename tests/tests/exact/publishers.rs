//! Publishers as they are in the field: most say each thing once; some repeat what they said, with and without saying so,
//! contradict themselves, or say what nobody can read. Whatever has no answer is said again.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use async_nats::jetstream;
use bytes::Bytes;
use message::RESEND_HEADER;
use neighbours::nats::Credentials;
use serde_json::json;
use tests::chance::Chance;
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use crate::world::World;

/// Each run of these is a workflow of the namespace `demo`.
pub const RUNS: u64 = 4;
/// How long an answer may take; then the same is said again.
const ANSWER: Duration = Duration::from_secs(2);
/// How much of what was said is remembered, to be repeated.
const MEMORY: usize = 500;
/// Copies that are not marked may be on the day of their original alone.
const DAY: u64 = 86_400;

/// What publishers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orders {
    /// Everything that they do in the field.
    Everything,
    /// Nothing but new messages, and fast.
    New,
    Silence,
    End,
}

/// What the stream confirmed: sequence, and hash of the body.
pub type Said = Vec<(u64, u64)>;

pub struct Publishers {
    orders: Arc<RwLock<(Orders, u64)>>,
    tasks: JoinSet<Said>,
}

impl Publishers {
    /// Starts them; they are silent until they are told.
    pub fn start(world: &World, chance: &mut Chance) -> Self {
        let orders = Arc::new(RwLock::new((Orders::Silence, 0)));
        let numbers = Arc::new(AtomicU64::new(0));
        let far = Credentials { url: world.publishers_network.url(), ..world.publisher.clone() };
        let mut tasks = JoinSet::new();
        for credentials in [world.publisher.clone(), world.publisher.clone(), world.publisher.clone(), far] {
            let (orders, numbers, chance) = (orders.clone(), numbers.clone(), chance.fork());
            tasks.spawn(publish(credentials, orders, numbers, chance));
        }
        Self { orders, tasks }
    }

    /// Gives orders; what was being said under earlier ones is in the stream when this returns, and is never repeated later.
    pub async fn order(&self, orders: Orders) {
        let mut current = self.orders.write().await;
        *current = (orders, current.1 + 1);
    }

    /// Ends them.
    pub async fn stop(mut self) -> Said {
        self.order(Orders::End).await;
        let mut all = Vec::new();
        while let Some(said) = self.tasks.join_next().await {
            all.extend(said.unwrap());
        }
        all
    }
}

/// A body and where it goes.
#[derive(Clone)]
struct Saying {
    subject: String,
    id: String,
    body: Bytes,
    day: u64,
}

async fn publish(
    credentials: Credentials,
    orders: Arc<RwLock<(Orders, u64)>>,
    numbers: Arc<AtomicU64>,
    mut chance: Chance,
) -> Said {
    let options =
        credentials.connect_options().retry_on_initial_connect().reconnect_delay_callback(|_| Duration::from_millis(100));
    let servers: Vec<&str> = credentials.url.split(',').collect();
    let client = options.connect(&servers[..]).await.unwrap();
    let context = jetstream::context::ContextBuilder::new().ack_timeout(ANSWER).build(client);
    let (mut said, mut memory, mut generation) = (Said::new(), Vec::<Saying>::new(), 0);
    loop {
        let given = orders.read().await;
        if given.1 != generation {
            generation = given.1;
            memory.clear();
        }
        let pause = match given.0 {
            Orders::End => return said,
            Orders::Silence => {
                drop(given);
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            Orders::New => 0,
            Orders::Everything => chance.below(20),
        };
        let choice = if given.0 == Orders::New { 0 } else { chance.below(100) };
        let earlier = (!memory.is_empty()).then(|| chance.index(memory.len())).map(|index| memory[index].clone());
        let (saying, marked, named) = match (choice, earlier) {
            (78..=82, Some(earlier)) => (earlier, true, false),
            (83..=85, Some(earlier)) if is_same_day(earlier.day) => (earlier, false, false),
            (86..=87, Some(earlier)) => {
                let marked = !is_same_day(earlier.day) || chance.below(2) == 0;
                (contradict(earlier, &numbers), marked, false)
            }
            (88..=89, _) => (unreadable(&numbers, &mut chance), false, false),
            (90, _) => (without_id(&numbers, &mut chance), false, false),
            _ => {
                let length = if choice == 77 { 300 * 1024 } else { chance.below(1_500) };
                let saying = new(&numbers, &mut chance, length);
                memory.push(saying.clone());
                if memory.len() > MEMORY {
                    memory.remove(0);
                }
                (saying, false, true)
            }
        };
        said.push(say(&context, &saying, marked, named).await);
        drop(given);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Says it until the stream confirms it; from the second time on it says so.
async fn say(context: &jetstream::Context, saying: &Saying, marked: bool, named: bool) -> (u64, u64) {
    let mut marked = marked;
    loop {
        let mut headers = HeaderMap::new();
        if marked {
            headers.insert(RESEND_HEADER, "1");
        }
        if named {
            headers.insert("Nats-Msg-Id", saying.id.as_str());
        }
        let sent = context.publish_with_headers(saying.subject.clone(), headers, saying.body.clone()).await;
        if let Ok(answer) = sent
            && let Ok(answer) = answer.await
        {
            return (answer.sequence, hash(&saying.body));
        }
        marked = true;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn new(numbers: &AtomicU64, chance: &mut Chance, length: u64) -> Saying {
    let number = numbers.fetch_add(1, Ordering::Relaxed);
    let id = message::id::of_step("exact", &number.to_string()).to_string();
    let run = chance.below(RUNS);
    let filler: String = std::iter::repeat_n('x', usize::try_from(length).unwrap()).collect();
    let body = json!({
        "v": 1, "id": id, "workflow_namespace": "demo", "workflow_name": format!("r-{run}"), "workflow_uid": format!("u-{run}"),
        "agent_id": "a", "role": "assistant", "kind": "message", "content": format!("number {number} {filler}"),
    });
    let general = chance.below(5) == 0;
    Saying { subject: subject(run, general), id, body: body.to_string().into(), day: day() }
}

fn subject(run: u64, general: bool) -> String {
    if general {
        format!("workflow.general.message.demo.r-{run}.u-{run}.agent.a")
    } else {
        format!("workflow.demo.r-{run}.u-{run}.agent.a.message")
    }
}

/// The same id, and something else said under it.
fn contradict(earlier: Saying, numbers: &AtomicU64) -> Saying {
    let number = numbers.fetch_add(1, Ordering::Relaxed);
    let mut body: serde_json::Value = serde_json::from_slice(&earlier.body).unwrap();
    body["content"] = format!("no, {number}").into();
    Saying { body: body.to_string().into(), ..earlier }
}

/// No JSON, or a body that claims another run than its subject.
fn unreadable(numbers: &AtomicU64, chance: &mut Chance) -> Saying {
    let saying = new(numbers, chance, 0);
    if chance.below(2) == 0 {
        let body = [b"{\"content\": ", &saying.body[..]].concat();
        return Saying { body: body.into(), ..saying };
    }
    let mut body: serde_json::Value = serde_json::from_slice(&saying.body).unwrap();
    body["workflow_uid"] = "u-of-another".into();
    Saying { body: body.to_string().into(), ..saying }
}

/// As publishers do that are not ours.
fn without_id(numbers: &AtomicU64, chance: &mut Chance) -> Saying {
    let number = numbers.fetch_add(1, Ordering::Relaxed);
    let body = json!({ "message": { "content": format!("foreign {number}") } }).to_string();
    Saying { subject: subject(chance.below(RUNS), false), id: String::new(), body: body.into(), day: day() }
}

fn day() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / DAY
}

/// Also when it is stored a little later.
fn is_same_day(earlier: u64) -> bool {
    let later = SystemTime::now() + Duration::from_secs(60);
    later.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / DAY == earlier
}

pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
