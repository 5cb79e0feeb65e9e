//! Copies and originals that are delivered in any order, given back, delivered again and committed by others: a copy is
//! decided only when nothing below it is open, no more is held than may be, and in the end everything is committed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Hold, Limits};
use crate::cursor::Cursor;

const LIMITS: Limits = Limits { bytes: 40, run: 4, run_bytes: 24 };

fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

#[derive(Debug, Clone)]
enum Op {
    /// Hands out one that nobody holds: a copy to the hold, any other to a batch elsewhere.
    Deliver(prop::sample::Index),
    /// A batch elsewhere is committed.
    Commit(prop::sample::Index),
    Release,
    /// The watermark follows what is committed, as far as it is without a hole, or not quite.
    Raise(i64),
    /// The replica dies.
    Die,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => any::<prop::sample::Index>().prop_map(Op::Deliver),
        6 => any::<prop::sample::Index>().prop_map(Op::Commit),
        3 => Just(Op::Release),
        2 => (0..5_i64).prop_map(Op::Raise),
        1 => Just(Op::Die),
    ]
}

struct World {
    /// Of each message whether it is a marked copy, and its size.
    stream: Vec<(bool, usize)>,
    open: BTreeSet<i64>,
    elsewhere: BTreeSet<i64>,
    committed: BTreeSet<i64>,
    watermark: i64,
    hold: Hold<i64>,
}

impl World {
    fn new(stream: Vec<(bool, usize)>) -> Self {
        let open = (1..=i64::try_from(stream.len()).unwrap()).collect();
        let (elsewhere, committed) = (BTreeSet::new(), BTreeSet::new());
        Self { stream, open, elsewhere, committed, watermark: 0, hold: Hold::new(LIMITS) }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Deliver(which) => self.deliver(*which),
            Op::Commit(which) => {
                let elsewhere: Vec<i64> = self.elsewhere.iter().copied().collect();
                if !elsewhere.is_empty() {
                    let sequence = *which.get(&elsewhere);
                    self.elsewhere.remove(&sequence);
                    self.committed.insert(sequence);
                }
            }
            Op::Release => self.release(),
            Op::Raise(short) => {
                let next = (self.watermark + 1..=i64::MAX).take_while(|sequence| self.committed.contains(sequence)).last();
                self.watermark = self.watermark.max(next.unwrap_or(0) - short);
            }
            Op::Die => {
                let held = self.hold.drain();
                self.open.extend(held);
            }
        }
        assert!(self.hold.bytes() <= LIMITS.bytes);
        let held: usize = self.hold.copies.values().map(|held| self.size(held.what)).sum();
        assert_eq!(self.hold.bytes(), held);
    }

    fn size(&self, sequence: i64) -> usize {
        self.stream[usize::try_from(sequence - 1).unwrap()].1
    }

    fn deliver(&mut self, which: prop::sample::Index) {
        let open: Vec<i64> = self.open.iter().copied().collect();
        if open.is_empty() {
            return;
        }
        let sequence = *which.get(&open);
        self.open.remove(&sequence);
        if self.stream[usize::try_from(sequence - 1).unwrap()].0 {
            let back = self.hold.add(at(sequence), self.size(sequence), sequence);
            self.open.extend(back);
        } else {
            self.elsewhere.insert(sequence);
        }
    }

    fn release(&mut self) {
        let run = self.hold.run(at(self.watermark), &self.committed);
        assert!(run.copies.len() <= LIMITS.run);
        assert!(
            run.copies.len() <= 1
                || run.copies.iter().map(|cursor| self.size(cursor.sequence)).sum::<usize>() <= LIMITS.run_bytes
        );
        for (cursor, sequence) in self.hold.take(&run.copies) {
            assert_eq!(cursor, at(sequence));
            self.committed.insert(sequence);
            assert!((1..sequence).all(|lower| self.committed.contains(&lower)), "{sequence} was decided too early");
        }
        assert!((1..=run.up_to).all(|sequence| self.committed.contains(&sequence)));
    }
}

proptest! {
    #[test]
    fn a_copy_is_decided_when_everything_below_it_is_committed_and_all_are_in_the_end(
        stream in prop::collection::vec((any::<bool>(), 1..30_usize), 1..40),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut world = World::new(stream);
        for op in &ops {
            world.apply(op);
        }
        // Given time, the server hands out the lowest again, and originals are committed.
        for _ in 0..world.stream.len() * 2 {
            world.apply(&Op::Release);
            world.apply(&Op::Raise(0));
            let elsewhere = std::mem::take(&mut world.elsewhere);
            world.committed.extend(elsewhere);
            if let Some(lowest) = world.open.pop_first() {
                if world.stream[usize::try_from(lowest - 1).unwrap()].0 {
                    let size = world.size(lowest);
                    let back = world.hold.add(at(lowest), size, lowest);
                    world.open.extend(back);
                } else {
                    world.elsewhere.insert(lowest);
                }
            }
        }
        world.apply(&Op::Release);
        prop_assert!(world.hold.is_empty(), "still held: {:?}, watermark {}", world.hold, world.watermark);
        prop_assert_eq!(world.committed.len(), world.stream.len());
    }
}

#[test]
fn a_copy_of_a_later_life_waits_until_the_earlier_one_is_over() {
    let mut hold = Hold::new(LIMITS);
    let later = Cursor { epoch: 2, sequence: 1 };
    assert!(hold.add(later, 1, "copy").is_empty());
    assert!(hold.run(at(10), &BTreeSet::new()).copies.is_empty());
    assert_eq!(hold.run(Cursor { epoch: 2, sequence: 0 }, &BTreeSet::new()).copies, [later]);
    assert_eq!(hold.passed(Cursor { epoch: 2, sequence: 1 }), [later]);
    assert_eq!(hold.highest(2), Some(1));
    assert_eq!(hold.highest(1), None);
}

#[test]
fn a_copy_that_is_delivered_again_is_held_once() {
    let mut hold = Hold::new(LIMITS);
    assert!(hold.add(at(5), 30, "first").is_empty());
    assert!(hold.add(at(5), 30, "again").is_empty());
    assert_eq!((hold.len(), hold.bytes()), (1, 30));
    assert_eq!(hold.take(&[at(5)]), [(at(5), "again")]);
}
