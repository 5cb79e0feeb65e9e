//! A stream, a table, a ring and viewers, in memory.

use std::collections::HashSet;
use std::sync::Arc;

use message::Received;
use proptest::prelude::*;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::Frame;
use super::super::feed::place::begin_anew;
use super::super::ids::Ids;
use super::super::page::Pages;
use super::super::ring::{Limits, OWN_WEIGHT, Ring};
use super::super::step::Step;
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::stored::StoredMessage;

const PAGE: usize = 3;
const RING_FRAMES: usize = 8;

#[derive(Debug, Clone)]
pub(super) enum Op {
    Publish {
        run: u8,
    },
    Copy {
        which: prop::sample::Index,
        marked: bool,
    },
    Unreadable,
    /// The stream lets go of its oldest messages. Others have them, and store them.
    Discard {
        count: i64,
    },
    Deliver {
        count: usize,
    },
    Commit {
        count: i64,
    },
    Decide,
    /// The ring is filled anew, by the same process or by another one.
    Restart {
        overlap: i64,
        process: bool,
    },
    Close,
    Subscribe {
        wants: u8,
        after: prop::sample::Index,
    },
    View {
        which: prop::sample::Index,
    },
}

/// A message of the stream: nothing where it cannot be read.
type Published = Option<(Arc<Frame>, bool)>;

pub(super) struct Viewer {
    filter: Filter,
    start: Cursor,
    position: Cursor,
    pub(super) seen: Vec<Cursor>,
}

pub(super) struct World {
    stream: Vec<Published>,
    /// Up to here the stream holds nothing any more.
    discarded: i64,
    delivered: i64,
    pub(super) ring: Ring,
    ids: Ids,
    pages: Pages,
    /// What was committed when the ring opened.
    settled: i64,
    watermark: i64,
    pub(super) viewers: Vec<Viewer>,
    serial: u128,
}

fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

fn frame(sequence: i64, run: u8, id: Uuid) -> Arc<Frame> {
    // The uuid crate makes no version 8 from a number; the digits are set by hand.
    let subject = if run == 0 { "workflow.demo.a.u0.agent.x.log" } else { "workflow.general.log.demo.b.u1.agent.x" };
    let payload = format!(r#"{{"v":1,"id":"{id}","content":"x"}}"#);
    let received = Received {
        subject,
        payload: payload.as_bytes(),
        stored_at: OffsetDateTime::UNIX_EPOCH,
        sequence: sequence.unsigned_abs(),
    };
    let stored = StoredMessage::decode(1, &received).unwrap();
    assert_eq!(stored.message.id, id, "the id is taken as it is");
    Arc::new(Frame::of(stored))
}

fn filter(wants: u8) -> Filter {
    let runs = if wants == 1 { vec![] } else { vec!["u0".to_owned()] };
    Filter { runs, general: wants > 0, ..Filter::default() }
}

fn everything() -> Filter {
    Filter { runs: vec!["u0".to_owned()], general: true, ..Filter::default() }
}

impl World {
    pub(super) fn new() -> Self {
        let mut ring = Ring::closed(Limits { frames: RING_FRAMES, bytes: usize::MAX });
        ring.open(at(0));
        let mut ids = Ids::default();
        ids.fill(at(0), at(0));
        Self {
            stream: vec![],
            discarded: 0,
            delivered: 0,
            ring,
            ids,
            pages: Pages::default(),
            settled: 0,
            watermark: 0,
            viewers: vec![],
            serial: 0,
        }
    }

    pub(super) fn limit_bytes(&mut self, frames: usize) {
        let one = frame(1, 0, Uuid::from_u128(0x8000_8000_0000_0000_0000)).weight() + OWN_WEIGHT;
        self.ring = Ring::closed(Limits { frames: 1_000, bytes: frames * one });
        self.ring.open(at(0));
    }

    /// Publishes again, marked as a copy, what was never stored before: the row will say that it is the message.
    pub(super) fn publish_marked(&mut self) {
        let id = self.new_id();
        self.stream.push(Some((frame(self.next(), 0, id), true)));
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Publish { run } => {
                let id = self.new_id();
                self.stream.push(Some((frame(self.next(), *run, id), false)));
            }
            Op::Copy { which, marked } => self.copy(*which, *marked),
            Op::Unreadable => self.stream.push(None),
            Op::Deliver { count } => self.deliver(*count),
            Op::Commit { count } => self.watermark = (self.watermark + count).min(self.last()),
            Op::Decide => self.decide(),
            Op::Discard { count } => self.discarded = (self.discarded + count).min(self.last()),
            Op::Restart { overlap, process } => self.restart(*overlap, *process),
            Op::Close => self.close(),
            Op::Subscribe { wants, after } => {
                let start = at(i64::try_from(after.index(self.stream.len() + 1)).unwrap());
                self.viewers.push(Viewer { filter: filter(*wants), start, position: start, seen: vec![] });
            }
            Op::View { which } => {
                if !self.viewers.is_empty() {
                    self.view(which.index(self.viewers.len()));
                }
            }
        }
    }

    /// Lets everything arrive and everybody see.
    pub(super) fn settle(&mut self) {
        self.deliver(usize::MAX);
        self.watermark = self.last();
        if !self.ring.is_open() || self.ring.head() < at(self.watermark) {
            self.restart(2, false);
            self.deliver(usize::MAX);
        }
        self.decide();
        for index in 0..self.viewers.len() {
            while self.view(index) {}
        }
    }

    /// What a viewer must have seen.
    pub(super) fn expected(&self, viewer: &Viewer) -> Vec<Cursor> {
        self.rows(viewer.start, at(i64::MAX), &viewer.filter).map(|frame| frame.cursor).collect()
    }

    /// The rows of the table when everything is committed: of each id the one with the lowest cursor.
    fn rows<'a>(&'a self, after: Cursor, up_to: Cursor, filter: &'a Filter) -> impl Iterator<Item = &'a Arc<Frame>> {
        let mut ids = HashSet::new();
        let readable = self.stream.iter().flatten().map(|(frame, _)| frame);
        let firsts = readable.filter(move |frame| ids.insert(frame.stored.message.id));
        firsts.filter(move |frame| frame.cursor > after && frame.cursor <= up_to && filter.matches(&frame.stored))
    }

    fn view(&mut self, index: usize) -> bool {
        let viewer = &self.viewers[index];
        let cursors = |frames: &[Arc<Frame>]| frames.iter().map(|frame| frame.cursor).collect::<Vec<_>>();
        let next = self.pages.next(&self.ring, at(self.watermark), viewer.position, &viewer.filter);
        let step = match next {
            Ok(page) => {
                let (cursors, position) = (cursors(page.frames()), page.reached());
                return self.seen(index, cursors, position);
            }
            Err(step) => step,
        };
        let (cursors, position) = match step {
            Step::Ring(found) => (cursors(&found.frames), found.reached),
            Step::Table { up_to } => {
                assert!(up_to <= at(self.watermark), "the table is read up to the watermark only");
                let page: Vec<Cursor> =
                    self.rows(viewer.position, up_to, &viewer.filter).map(|frame| frame.cursor).take(PAGE).collect();
                // A page that nothing follows ends where it was asked to.
                let position = page.last().copied().filter(|_| page.len() == PAGE).unwrap_or(up_to);
                (page, position)
            }
            Step::BelowRing => {
                let up_to = self.ring.base();
                let (position, filter) = (viewer.position, viewer.filter.clone());
                let filled = self.fill(position, up_to, &filter);
                if filled.1 == position {
                    return false;
                }
                filled
            }
            Step::Idle | Step::Filling | Step::Undecided => return false,
        };
        self.seen(index, cursors, position)
    }

    fn seen(&mut self, index: usize, cursors: Vec<Cursor>, position: Cursor) -> bool {
        let viewer = &mut self.viewers[index];
        assert!(position > viewer.position, "each step moves the viewer");
        viewer.position = position;
        viewer.seen.extend(cursors);
        true
    }

    /// What left the ring, as it is read from the stream for a viewer, and up to where that is.
    fn fill(&mut self, after: Cursor, up_to: Cursor, filter: &Filter) -> (Vec<Cursor>, Cursor) {
        let (mut cursors, mut reached) = (vec![], after);
        while self.ring.is_open() && reached < up_to && reached.sequence >= self.discarded {
            let next = at(reached.sequence + 1);
            if let Some((frame, marked)) = self.published(next.sequence) {
                if self.note(&frame) || marked {
                    break;
                }
                if filter.matches(&frame.stored) {
                    cursors.push(next);
                }
            }
            reached = next;
        }
        (cursors, reached)
    }

    fn copy(&mut self, which: prop::sample::Index, marked: bool) {
        let readable: Vec<_> = self.stream.iter().flatten().map(|(frame, _)| frame.clone()).collect();
        if readable.is_empty() {
            return;
        }
        let original = which.get(&readable);
        let run = u8::from(original.stored.message.is_general());
        let copy = frame(self.next(), run, original.stored.message.id);
        self.stream.push(Some((copy, marked)));
    }

    fn close(&mut self) {
        if self.ring.is_open() {
            self.ids.followed(self.ring.head());
            self.ring.close();
        }
    }

    fn restart(&mut self, overlap: i64, process: bool) {
        self.close();
        if process {
            self.ids = Ids::default();
        }
        let meets = (self.watermark + 1).min(self.last() + 1 - overlap);
        let held = i64::try_from(RING_FRAMES).unwrap();
        let base = at(meets.max(self.last() + 1 - held).max(self.discarded + 1) - 1);
        self.settled = self.watermark;
        if !self.ids.knows(base) {
            self.recall(at(self.watermark));
            self.ids.fill(at(self.watermark), base);
        }
        self.delivered = base.sequence;
        self.ring.open(base);
    }

    fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            if !self.ring.is_open() || self.delivered.max(self.discarded) == self.last() {
                return;
            }
            if self.delivered < self.discarded {
                self.delivered = self.discarded;
                begin_anew(&mut self.ring, &mut self.ids, Some(at(self.delivered)));
            }
            self.delivered += 1;
            let cursor = at(self.delivered);
            match self.published(self.delivered) {
                None => self.ring.skip(cursor),
                Some((frame, marked)) => {
                    let is_known = self.note(&frame);
                    self.ring.push(frame, marked || is_known || cursor.sequence <= self.settled);
                }
            }
        }
    }

    fn published(&self, sequence: i64) -> Published {
        self.stream[usize::try_from(sequence - 1).unwrap()].clone()
    }

    fn note(&mut self, frame: &Frame) -> bool {
        self.ids.note(&frame.stored.message.run.namespace, frame.stored.message.id, frame.cursor)
    }

    /// The ids of the table, up to a position.
    fn recall(&mut self, up_to: Cursor) {
        let rows: Vec<_> = self.rows(at(0), up_to, &everything()).cloned().collect();
        for row in rows {
            self.note(&row);
        }
    }

    fn decide(&mut self) {
        let rows: HashSet<Cursor> = self.rows(at(0), at(self.watermark), &everything()).map(|frame| frame.cursor).collect();
        for cursor in self.ring.waiting(at(self.watermark), usize::MAX) {
            self.ring.decide(cursor, rows.contains(&cursor));
        }
        if let Some(base) = self.ids.missing_to().filter(|base| *base <= at(self.watermark)) {
            self.recall(base);
            self.ids.fill(base, base);
        }
    }

    fn new_id(&mut self) -> Uuid {
        self.serial += 1;
        Uuid::from_u128(0x8000_8000_0000_0000_0000 | self.serial)
    }

    fn next(&self) -> i64 {
        self.last() + 1
    }

    fn last(&self) -> i64 {
        i64::try_from(self.stream.len()).unwrap()
    }
}
