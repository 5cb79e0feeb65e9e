//! The one checker: reads the table as a viewer does and compares it with what was said, with what the sidecar counted, and
//! with what the stream has.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_nats::jetstream::consumer;
use futures_util::StreamExt as _;
use message::RESEND_HEADER;
use neighbours::Process;
use neighbours::process::Signal;
use serde_json::Value;
use uuid::Uuid;

use crate::world::{PATIENCE, Row, World, until};
use crate::writer::Said;

/// What could not be stored. What a life of the stream lost with its stream is told, and is no fault.
const DEAD: &str = "SELECT count(*) FROM workflow_comms.dead_letters WHERE class <> 'discarded' \
    OR epoch = (SELECT max(epoch) FROM workflow_comms.stream_epochs)";

/// A message in the stream.
#[derive(Debug, Clone)]
pub struct Published {
    pub sequence: i64,
    pub id: Uuid,
    pub resend: bool,
    pub content: String,
}

/// What the checker found beside.
#[derive(Debug)]
pub struct Found {
    /// Copies in the stream that the broker did not know for ones.
    pub copies: usize,
    /// Records behind later ones of their source, in the order of cursors.
    pub late: u64,
    /// Records that a lost stream had and the table has not, each in a range that was told.
    pub lost: u64,
}

/// Bytes of a source that a gap record says were lost with their stream.
struct Told {
    source: (String, u64),
    start: u64,
    end: u64,
}

/// Everything in the stream, in its order.
pub async fn published(world: &World) -> Vec<Published> {
    let (_, stream) = world.stream().await;
    let count = stream.get_info().await.unwrap().state.messages;
    let consumer = stream.create_consumer(consumer::pull::OrderedConfig::default()).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let mut published = Vec::new();
    for _ in 0..count {
        let message = messages.next().await.unwrap().unwrap();
        let body: Value = serde_json::from_slice(&message.payload).unwrap();
        published.push(Published {
            sequence: message.info().unwrap().stream_sequence.try_into().unwrap(),
            id: body["id"].as_str().unwrap().parse().unwrap(),
            resend: message.headers.as_ref().is_some_and(|headers| headers.get(RESEND_HEADER).is_some()),
            content: body["content"].as_str().unwrap_or_default().to_owned(),
        });
    }
    published
}

/// Ends the sidecar, which must have sent everything by then, and checks that everything said is in the table once,
/// numbered without a hole in the order of its bytes, and in that order by cursors but for as many as the sidecar counted.
pub async fn check(world: &World, sidecar: Process, said: &Said) -> Found {
    let counted = end(world, sidecar).await;
    world.until_quiet().await;
    let (rows, published) = (world.rows().await, published(world).await);
    assert_eq!(world.number(DEAD).await, 0);
    let told = told(&rows);
    let expected = said.contents();
    let mut seen = HashSet::new();
    for row in rows.iter().filter(|row| row.is_said()) {
        assert!(expected.contains(&row.content), "nobody said {:?}", row.content);
        assert!(seen.insert(&row.content), "{:?} is there twice", row.content);
    }
    let lost = by_source(&rows).into_iter().map(|(source, rows)| check_source(&source, &rows, &told)).sum();
    let missing: Vec<_> = expected.iter().filter(|content| !seen.contains(content)).collect();
    assert_eq!(missing.len() as u64, lost, "missing: {:?}", missing.first());
    let copies = check_copies(&rows, &published);
    // The broker told the sidecar of the last copy of each.
    let mut places: HashMap<Uuid, (i64, i64)> = rows.iter().map(|row| (row.id, (row.epoch, row.sequence))).collect();
    let epoch = rows.last().map_or(0, |row| row.epoch);
    places.extend(published.iter().map(|message| (message.id, (epoch, message.sequence))));
    let mut as_told: Vec<&Row> = rows.iter().collect();
    as_told.sort_by_key(|row| places[&row.id]);
    assert_eq!(late(as_told), counted, "late messages, and how many the sidecar counted");
    let late = late(&rows);
    assert!(copies > 0 || late == counted, "{late} records are late, the sidecar counted {counted}");
    Found { copies, late, lost }
}

/// Lets the sidecar end as Kubernetes does, once it has caught up. Gives how many late messages it counted.
async fn end(world: &World, mut sidecar: Process) -> u64 {
    for metric in ["files_behind_bytes", "spool_behind_bytes", "in_flight_messages"] {
        until(metric, || world.metric(metric) == 0).await;
    }
    let status = sidecar.stop(Signal::TERM, PATIENCE).await.unwrap();
    assert!(status.success(), "{status}: {}", sidecar.log_tail());
    let log = std::fs::read_to_string(sidecar.log()).unwrap();
    assert!(log.contains("everything was sent"), "{}", sidecar.log_tail());
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let summary = lines.rfind(|line| line["message"] == "in all").unwrap();
    summary["late.messages"].as_u64().unwrap()
}

fn told(rows: &[Row]) -> Vec<Told> {
    let gaps = rows.iter().filter(|row| row.kind == "gap");
    let told = |row: &Row| {
        assert_eq!(row.attrs["reason"], "stream_lost", "{row:?}");
        Told { source: row.source(), start: row.attrs["start"].as_u64().unwrap(), end: row.end() }
    };
    gaps.map(told).collect()
}

/// The rows that speak of a source's bytes, in the order of its numbers; its end last.
fn by_source(rows: &[Row]) -> BTreeMap<(String, u64), Vec<&Row>> {
    let mut sources: BTreeMap<(String, u64), Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.is_said() || row.kind == "source-end") {
        sources.entry(row.source()).or_default().push(row);
    }
    for rows in sources.values_mut() {
        rows.sort_by_key(|row| (row.kind == "source-end", row.seq));
    }
    sources
}

/// Checks numbers and bytes of one source; gives how many records are not there, each of which was told of.
fn check_source(source: &(String, u64), rows: &[&Row], told: &[Told]) -> u64 {
    let (mut seq, mut position, mut lost) = (0, 0, 0);
    let is_told = |from: u64, to: u64| told.iter().any(|told| told.source == *source && told.start <= from && to <= told.end);
    let (end, said) = rows.split_last().unwrap();
    assert_eq!((end.kind.as_str(), &end.attrs["complete"]), ("source-end", &Value::Bool(true)), "{source:?} has no end");
    for row in said {
        if row.seq == seq + 1 {
            assert_eq!(row.start(), position, "{source:?}: the bytes before {} are of no record", row.seq);
        } else {
            assert!(row.seq > seq && is_told(position, row.start()), "{source:?} has a hole between {seq} and {}", row.seq);
            lost += row.seq - seq - 1;
        }
        (seq, position) = (row.seq, row.end());
    }
    assert_eq!(Some(position), end.attrs["last_offset"].as_u64(), "{source:?} does not end with its last record");
    lost
}

/// Checks that the table has the first copy of everything in the stream, and that others are marked: only what is marked
/// is looked up where it is stored. Gives how many others there are.
fn check_copies(rows: &[Row], published: &[Published]) -> usize {
    let epoch = rows.last().map_or(0, |row| row.epoch);
    let mut known: HashSet<Uuid> = rows.iter().filter(|row| row.epoch < epoch).map(|row| row.id).collect();
    let mut copies = 0;
    let mut firsts = Vec::new();
    for message in published {
        if known.insert(message.id) {
            firsts.push((message.sequence, message.id));
        } else {
            assert!(message.resend, "a copy is not marked: {message:?}");
            copies += 1;
        }
    }
    let stored: Vec<_> = rows.iter().filter(|row| row.epoch == epoch).map(|row| (row.sequence, row.id)).collect();
    assert_eq!(stored.len(), firsts.len());
    assert!(stored == firsts, "the table has other copies than the first");
    copies
}

/// How many records stand behind later ones of their source.
fn late<'a>(rows: impl IntoIterator<Item = &'a Row>) -> u64 {
    let mut highest: HashMap<(String, u64), u64> = HashMap::new();
    let mut late = 0;
    for row in rows.into_iter().filter(|row| row.is_said()) {
        let highest = highest.entry(row.source()).or_default();
        late += u64::from(row.seq < *highest);
        *highest = row.seq.max(*highest);
    }
    late
}
