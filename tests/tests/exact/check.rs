//! Compares what came of it with what must have: the stream with what it confirmed, the table with the stream, and what each
//! viewer was told with both.

use std::collections::{BTreeMap, HashMap, HashSet};

use tests::chance::tell;

use crate::chaos::Counts;
use crate::fates::{Fate, fates};
use crate::publishers::{Said, hash};
use crate::viewers::{Record, Told};
use crate::witness::{COMPARED, Heard, read_whole};
use crate::world::World;

const ROWS: &str = "SELECT stream_seq, id, workflow_uid, coalesce(channel, '') = 'general', left(content, $1::integer), length(content) \
    FROM workflow_comms.agent_messages ORDER BY stream_seq";
const DEAD: &str = "SELECT stream_seq, class, error, payload FROM workflow_comms.dead_letters ORDER BY stream_seq";
const PASSED: &str = "SELECT stream_seq FROM workflow_comms.passed";
/// What is said of each run, and what there is of it.
const RUNS: &str = "SELECT workflow_uid, runs.messages, (SELECT count(*) FROM workflow_comms.agent_messages AS m \
    WHERE m.workflow_uid = runs.workflow_uid) FROM workflow_comms.runs ORDER BY workflow_uid";

/// What the stream confirmed, it has; and what was heard of it, it said.
pub async fn stream(world: &World, heard: &[Heard], said: &Said) {
    for (sequence, hash) in said {
        assert_eq!(heard[index(*sequence)].hash, *hash, "the stream confirmed {sequence} and has another");
    }
    let held = read_whole(&world.admin).await;
    let first = held.first().unwrap().sequence;
    assert!(heard[index(first)..] == held[..], "the stream is not what was heard of it");
}

/// Each message of the stream is in the tables what it must be there, and nothing else is. Gives what each is.
pub async fn table(world: &World, heard: &[Heard], counts: &Counts) -> Vec<Fate> {
    let sql = world.sql().await;
    let lives = sql.query_one("SELECT count(*) FROM workflow_comms.stream_epochs", &[]).await.unwrap();
    assert_eq!(lives.get::<_, i64>(0), 1, "the stream never broke");
    let (mut lost, mut dead_letters, mut late) = (HashSet::new(), HashMap::new(), 0);
    for row in sql.query(DEAD, &[]).await.unwrap() {
        let (first, class): (u64, String) = (sequence(row.get(0)), row.get(1));
        let end = if class == "discarded" { row.get::<_, String>(2).parse().unwrap() } else { first };
        for sequence in first..=end {
            let known = dead_letters.insert(sequence, (class.clone(), hash(row.get(3))));
            assert_eq!(known, None, "{sequence} is a dead letter twice");
            if ["discarded", "late"].contains(&class.as_str()) {
                lost.insert(sequence);
            }
        }
        late += u32::from(class == "late");
    }
    for sequence in &lost {
        assert!(
            counts.discarded.iter().any(|range| range.contains(sequence)),
            "{sequence} was never discarded: {:?}",
            dead_letters[sequence]
        );
    }
    let fates = fates(heard, &lost);
    let rows = sql.query(ROWS, &[&i32::try_from(COMPARED).unwrap()]).await.unwrap();
    let rows: HashMap<u64, &tokio_postgres::Row> = rows.iter().map(|row| (sequence(row.get(0)), row)).collect();
    let all = heard;
    for (heard, fate) in all.iter().zip(&fates) {
        let (row, dead) = (rows.get(&heard.sequence), dead_letters.get(&heard.sequence));
        let class = dead.map(|(class, _)| class.as_str());
        let is_as_it_must = match fate {
            Fate::Row => row.is_some_and(|row| is_row_of(row, heard)) && class.is_none(),
            Fate::Copy => row.is_none() && class.is_none(),
            Fate::Contested => row.is_none() && class.is_none_or(|class| class == "conflict"),
            Fate::Unreadable => {
                row.is_none() && dead.is_some_and(|letter| UNREADABLE.contains(&letter.0.as_str()) && letter.1 == heard.hash)
            }
            Fate::Lost => row.is_none(),
        };
        assert!(is_as_it_must, "{}", story(heard, *fate, all, &rows, &dead_letters));
    }
    let told = heard.iter().filter(|heard| rows.contains_key(&heard.sequence) || dead_letters.contains_key(&heard.sequence));
    let told: HashSet<_> =
        told.filter_map(|heard| heard.message.as_ref()).map(|message| (message.id, &message.content)).collect();
    for message in heard.iter().filter_map(|heard| heard.message.as_ref()) {
        assert!(told.contains(&(message.id, &message.content)), "nobody is told {message:?}");
    }
    let count = |fate: Fate| fates.iter().filter(|known| **known == fate).count();
    assert_eq!(rows.len(), count(Fate::Row), "rows");
    for row in sql.query(PASSED, &[]).await.unwrap() {
        let passed = sequence(row.get(0));
        assert!(matches!(fates[index(passed)], Fate::Copy | Fate::Contested), "{passed} was passed over");
    }
    for row in sql.query(RUNS, &[]).await.unwrap() {
        let (uid, said, there): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(said, there, "messages of the run {uid}");
    }
    tell(&format!(
        "exact: {} messages: {} rows, {} copies, {} contested, {} unreadable, {} lost of which {late} late",
        heard.len(),
        rows.len(),
        count(Fate::Copy),
        count(Fate::Contested),
        count(Fate::Unreadable),
        count(Fate::Lost),
    ));
    fates
}

/// Each viewer was told every row that it asked for, in order and once. What was discarded it may have been told as well,
/// since nobody could know; where it was not, it was told of the hole by a reset.
pub fn viewers(heard: &[Heard], fates: &[Fate], records: &[Record]) {
    let mut datas: BTreeMap<u64, u64> = BTreeMap::new();
    let mut delays: Vec<u64> = Vec::new();
    for record in records {
        viewer(heard, fates, record);
        for told in &record.told {
            if let Told::Message { sequence, hash, .. } = told {
                assert_eq!(datas.entry(*sequence).or_insert(*hash), hash, "{sequence} is told in two ways");
            }
        }
        delays.extend(&record.delays);
    }
    delays.sort_unstable();
    let told = records.iter().flat_map(|record| &record.told);
    let resets = told.filter(|told| matches!(told, Told::Reset { .. })).count();
    let share = |percent: usize| delays[(delays.len() - 1) * percent / 100];
    tell(&format!(
        "exact: {} viewers told {} messages over {} connections, {resets} resets; from store time to viewer p50 {} ms, p90 {} ms, p99 {} ms, \
         most {} ms; longest silence {:.1} s",
        records.len(),
        records.iter().map(|record| record.told.len()).sum::<usize>() - resets,
        records.iter().map(|record| record.stays.len()).sum::<usize>(),
        share(50),
        share(90),
        share(99),
        share(100),
        records.iter().map(|record| record.silence).max().unwrap().as_secs_f64(),
    ));
}

fn viewer(heard: &[Heard], fates: &[Fate], record: &Record) {
    let (name, all) = (&record.name, heard);
    let wanted = |sequence: u64| {
        let message = heard[index(sequence)].message.as_ref();
        message.is_some_and(|message| record.choice.matches(&message.uid, message.general))
    };
    let (mut position, mut is_reset) = (0, false);
    for told in &record.told {
        match *told {
            Told::Reset { after } => (position, is_reset) = (after, true),
            Told::Message { sequence, .. } => {
                assert!(
                    sequence > position,
                    "{name} is told {sequence} after {position}: {}",
                    scene(all, fates, record, sequence)
                );
                let fate = fates[index(sequence)];
                assert!(
                    wanted(sequence) && matches!(fate, Fate::Row | Fate::Lost),
                    "{name} is told {sequence}: {}",
                    scene(all, fates, record, sequence)
                );
                expect_nothing(all, fates, record, position + 1..sequence, is_reset);
                position = sequence;
            }
        }
    }
    expect_nothing(heard, fates, record, position + 1..heard.len() as u64 + 1, is_reset);
}

/// Nothing between two messages should have been told. After a reset what is lost is known to be.
fn expect_nothing(heard: &[Heard], fates: &[Fate], record: &Record, between: std::ops::Range<u64>, is_reset: bool) {
    for sequence in between {
        let Some(message) = &heard[index(sequence)].message else { continue };
        let fate = fates[index(sequence)];
        let is_missing =
            record.choice.matches(&message.uid, message.general) && (fate == Fate::Row || (fate == Fate::Lost && !is_reset));
        assert!(!is_missing, "{} is not told {sequence}: {}", record.name, scene(heard, fates, record, sequence));
    }
}

/// Everything that is known of what a viewer should have been told, or not: what has its id, and what else it was told about
/// then, and where.
fn scene(heard: &[Heard], fates: &[Fate], record: &Record, sequence: u64) -> String {
    let id_of = |heard: &Heard| heard.message.as_ref().and_then(|message| message.id);
    let id = id_of(&heard[index(sequence)]);
    let of_id = heard.iter().zip(fates).filter(|(other, _)| other.sequence == sequence || (id.is_some() && id_of(other) == id));
    let copies = of_id.map(|(other, fate)| format!("{fate:?}: {other:?}"));
    let place = |told: &Told| match *told {
        Told::Message { sequence, .. } => sequence,
        Told::Reset { after } => after,
    };
    let at = record.told.iter().position(|told| place(told) >= sequence).unwrap_or(record.told.len());
    let around = &record.told[at.saturating_sub(AROUND)..(at + AROUND).min(record.told.len())];
    let told = around.iter().map(|told| match told {
        Told::Message { stay, .. } => {
            let (since, replica) = record.stays[*stay];
            format!("{} in stay {stay}, at replica {replica} since {}", place(told), message::Timestamp::new(since.into()))
        }
        Told::Reset { after } => format!("a reset to {after}"),
    });
    let lines: Vec<String> = copies.chain(["told to it:".to_owned()]).chain(told).collect();
    format!("of its id:\n  {}", lines.join("\n  "))
}

/// How many messages are shown before and after one that is not as it must be.
const AROUND: usize = 4;

/// The classes of dead letters that cannot be read: no JSON, and the claim to be of another run.
const UNREADABLE: [&str; 2] = ["decode", "identity"];

fn is_row_of(row: &tokio_postgres::Row, heard: &Heard) -> bool {
    let Some(message) = &heard.message else { return false };
    let length = usize::try_from(row.get::<_, i32>(5)).unwrap();
    message.id.is_none_or(|id| id == row.get::<_, uuid::Uuid>(1))
        && (message.uid.as_str(), message.general) == (row.get::<_, &str>(2), row.get::<_, bool>(3))
        && (message.content.0.as_str(), message.content.1) == (row.get::<_, &str>(4), length)
}

/// Everything that is known of a message that is not what it must be.
fn story(
    heard: &Heard,
    fate: Fate,
    all: &[Heard],
    rows: &HashMap<u64, &tokio_postgres::Row>,
    dead_letters: &HashMap<u64, (String, u64)>,
) -> String {
    let id = heard.message.as_ref().and_then(|message| message.id);
    let of_id = |other: &&Heard| id.is_some() && other.message.as_ref().and_then(|message| message.id) == id;
    let told = |other: &Heard| {
        let class = dead_letters.get(&other.sequence).map(|(class, _)| class);
        format!("{other:?}: row {}, dead letter {class:?}\n", rows.contains_key(&other.sequence))
    };
    let others: String = all.iter().filter(of_id).map(told).collect();
    format!("{} must be {fate:?}; with its id: {others}{:?}", told(heard), rows.get(&heard.sequence))
}

fn sequence(number: i64) -> u64 {
    number.try_into().unwrap()
}

/// Sequences begin with 1.
fn index(sequence: u64) -> usize {
    usize::try_from(sequence - 1).unwrap()
}
