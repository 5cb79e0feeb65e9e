//! Random orders of storing, on several connections at once, broken off and delivered again: the table is always the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::future::join_all;
use ingest::batch::{Batch, Delivery, Likely};
use ingest::epochs::Epochs;
use ingest::store::error::Remedy;
use ingest::store::insert::write;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::shelf::{DAYS, Shelf, batch, delivery};

/// What the stream gets next.
#[derive(Debug, Clone)]
enum Event {
    Message { run: u8 },
    Copy { which: Index, marked: bool, other: bool },
    Unreadable,
    NextDay,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..2_u8).prop_map(|run| Event::Message { run }),
        6 => (any::<Index>(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(which, marked, other)| Event::Copy { which, marked, other }),
        1 => Just(Event::Unreadable),
        1 => Just(Event::NextDay),
    ]
}

/// A message of the stream.
#[derive(Debug, Clone)]
struct Published {
    sequence: i64,
    delivery: Delivery,
    /// Nothing where it cannot be read.
    id: Option<u64>,
    words: String,
    marked: bool,
    day: u8,
    run: u8,
}

fn publish(events: &[Event]) -> Vec<Published> {
    let mut stream: Vec<Published> = Vec::new();
    let mut day = 0;
    for event in events {
        let sequence = stream.len() as u64 + 1;
        let readable: Vec<Published> = stream.iter().filter(|published| published.id.is_some()).cloned().collect();
        let (id, words, run, marked) = match event {
            Event::NextDay => {
                day = (day + 1).min(DAYS - 1);
                continue;
            }
            Event::Unreadable => (None, String::new(), 0, false),
            Event::Message { run } => (Some(sequence), format!("words {sequence}"), *run, false),
            Event::Copy { .. } if readable.is_empty() => continue,
            Event::Copy { which, marked, other } => {
                let of = which.get(&readable);
                let original = readable.iter().find(|published| published.id == of.id).unwrap();
                let words = if *other { format!("other words {sequence}") } else { of.words.clone() };
                // Only a publisher that hides its copies sends one on another day, and nobody can help it.
                (of.id, words, of.run, *marked || original.day != day)
            }
        };
        let source = r#""source":{"pod_uid":"p","label":"l","generation":1,"start":0,"end":1,"part":0}"#;
        let members = format!(r#""content":"{words}","step_id":"s","seq":{sequence},{source}"#);
        let mut delivery = delivery(sequence, day, id.unwrap_or_default(), &members, marked);
        delivery.subject = format!("workflow.demo.build.u-{run}.agent.a.message");
        if id.is_none() {
            delivery.payload = "{".into();
        }
        stream.push(Published { sequence: sequence.try_into().unwrap(), delivery, id, words, marked, day, run });
    }
    stream
}

/// Decides when and where a message is stored.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Everything up to here is committed.
fn settled(committed: &BTreeSet<i64>) -> i64 {
    committed.iter().zip(1..).take_while(|(sequence, place)| *sequence == place).map(|(_, place)| place).last().unwrap_or(0)
}

/// Stores the stream as replicas do: a marked copy only when everything below it is committed, or in the same transaction.
async fn store(shelf: &Shelf, stream: &[Published], dice: &mut Dice) {
    let mut committed = BTreeSet::new();
    let mut open: Vec<&Published> = stream.iter().filter(|published| !published.marked).collect();
    while committed.len() < stream.len() {
        let mut batches: Vec<Vec<&Published>> = Vec::new();
        for _ in 0..=dice.below(3) {
            let mut batch = Vec::new();
            for _ in 0..=dice.below(6) {
                if open.is_empty() {
                    break;
                }
                let index = dice.below(open.len());
                // The time to acknowledge can pass while it is being stored.
                let is_delivered_again = dice.one_in(6);
                batch.push(if is_delivered_again { open[index] } else { open.swap_remove(index) });
            }
            while dice.one_in(3) {
                batch.extend(stream.get(dice.below(stream.len())).filter(|published| committed.contains(&published.sequence)));
            }
            batches.push(batch);
        }
        let run = (settled(&committed) + 1..).map_while(|sequence| {
            let next = stream.iter().find(|published| published.sequence == sequence)?;
            (next.marked || committed.contains(&sequence)).then_some(next)
        });
        batches.push(run.filter(|published| !committed.contains(&published.sequence)).collect());
        let batches = batches.into_iter().filter(|batch| !batch.is_empty()).map(|batch| (batch, dice.one_in(5)));
        let tries = batches.map(|(batch, breaks_off)| async move { (try_once(shelf, &batch, breaks_off).await, batch) });
        for (is_stored, batch) in join_all(tries).await {
            if is_stored {
                committed.extend(batch.iter().map(|published| published.sequence));
            } else {
                open.extend(batch.iter().filter(|published| !published.marked));
            }
        }
        open.retain(|published| !committed.contains(&published.sequence));
        if dice.one_in(2) {
            shelf.settle(settled(&committed)).await;
        }
    }
}

async fn try_once(shelf: &Shelf, published: &[&Published], breaks_off: bool) -> bool {
    let deliveries: Vec<Delivery> = published.iter().map(|published| published.delivery.clone()).collect();
    let mut client = shelf.pool.get().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    // Whatever is expected of it, the same comes of it.
    let likely = match published.iter().map(|published| published.sequence).sum::<i64>() % 3 {
        0 => Likely::New,
        1 => Likely::Mixed,
        _ => Likely::Known,
    };
    let batch = Batch { likely, ..batch(&deliveries) };
    match write(&transaction, &batch, &Epochs::first()).await {
        Ok(_) if breaks_off => {
            transaction.rollback().await.unwrap();
            false
        }
        Ok(_) => {
            transaction.commit().await.unwrap();
            true
        }
        // Two that wait for each other: one of them is sent away, and comes again.
        Err(error) => {
            assert_eq!(error.remedy(), Remedy::Retry, "{error:?}");
            false
        }
    }
}

async fn check(shelf: &Shelf, stream: &[Published]) {
    let mut firsts: BTreeMap<u64, &Published> = BTreeMap::new();
    for published in stream {
        if let Some(id) = published.id {
            firsts.entry(id).or_insert(published);
        }
    }
    let mut expected: Vec<i64> = firsts.values().map(|first| first.sequence).collect();
    expected.sort_unstable();
    assert_eq!(shelf.rows().await, expected, "the first copy of each is the row");
    let unreadable: Vec<i64> = stream.iter().filter(|one| one.id.is_none()).map(|one| one.sequence).collect();
    assert_eq!(shelf.dead("decode").await, unreadable);
    assert_eq!(shelf.dead("late").await, [0_i64; 0]);
    let conflicts = shelf.dead("conflict").await;
    let mut fates = [expected, unreadable, conflicts.clone(), shelf.passed().await].concat();
    fates.sort_unstable();
    let all: Vec<i64> = stream.iter().map(|published| published.sequence).collect();
    assert_eq!(fates, all, "each position has one fate");
    check_words(stream, &firsts, &conflicts);
    for (run, count) in stream.iter().filter(|one| one.id.is_some_and(|id| firsts[&id].sequence == one.sequence)).fold(
        HashMap::<u8, i64>::new(),
        |mut counts, first| {
            *counts.entry(first.run).or_default() += 1;
            counts
        },
    ) {
        for table in ["runs", "run_steps", "run_sources"] {
            let sql = format!("SELECT messages FROM workflow_comms.{table} WHERE run_key = 'u-{run}'");
            assert_eq!(shelf.count(&sql).await, count, "{table}");
        }
        let kinds = format!("SELECT (kinds->>'message')::bigint FROM workflow_comms.runs WHERE run_key = 'u-{run}'");
        assert_eq!(shelf.count(&kinds).await, count);
        let first = stream.iter().find(|one| one.run == run && one.id.is_some()).unwrap().sequence;
        assert_eq!(shelf.count(&format!("SELECT first_seq FROM workflow_comms.runs WHERE run_key = 'u-{run}'")).await, first);
    }
}

/// Nothing that was said is silent: it is a row, or told of as a conflict. What the row says is no conflict.
fn check_words(stream: &[Published], firsts: &BTreeMap<u64, &Published>, conflicts: &[i64]) {
    let told: HashSet<(Option<u64>, &str)> = stream
        .iter()
        .filter(|one| conflicts.contains(&one.sequence) || one.id.is_some_and(|id| firsts[&id].sequence == one.sequence))
        .map(|one| (one.id, one.words.as_str()))
        .collect();
    for one in stream.iter().filter(|one| conflicts.contains(&one.sequence)) {
        assert_ne!(one.words, firsts[&one.id.unwrap()].words, "{one:?} is no conflict");
    }
    for one in stream.iter().filter(|one| one.id.is_some()) {
        assert!(told.contains(&(one.id, one.words.as_str())), "{one:?} is silent");
    }
}

#[test]
fn in_whatever_order_copies_are_stored_the_table_is_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let shelf = runtime.block_on(Shelf::new());
    let cases = if std::env::var_os("AGENT_COMMS_SOAK").is_some() { 300 } else { 64 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let strategy = (prop::collection::vec(event(), 1..60), any::<u64>());
    let outcome = runner.run(&strategy, |(events, seed)| {
        runtime.block_on(async {
            let empty = "TRUNCATE workflow_comms.agent_messages, workflow_comms.runs, workflow_comms.run_steps, \
                         workflow_comms.run_sources, workflow_comms.dead_letters, workflow_comms.passed; \
                         UPDATE workflow_comms.stream_epochs SET watermark = 0";
            shelf.sql.batch_execute(empty).await.unwrap();
            let stream = publish(&events);
            store(&shelf, &stream, &mut Dice(seed)).await;
            check(&shelf, &stream).await;
        });
        Ok(())
    });
    outcome.unwrap();
}
