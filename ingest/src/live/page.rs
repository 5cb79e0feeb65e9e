//! What viewers at one position are shown next, found and put together once for all of them: those who watch the same run are
//! mostly at the same place.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};

use super::frame::{Frame, Rows};
use super::ring::{Found, Ring};
use super::step::{self, Step};
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::pages::row::Place;

/// What the data of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Its JSON.
    Json,
    /// Its row on a page.
    Rows(Place),
    /// The same after a line that says whose it is, see [`super::tabs`].
    Tabs(Place),
}

impl View {
    const COUNT: usize = 1 + 2 * Place::ALL.len();

    fn index(self) -> usize {
        match self {
            Self::Json => 0,
            Self::Rows(place) => 1 + place as usize,
            Self::Tabs(place) => 1 + Place::ALL.len() + place as usize,
        }
    }
}

/// Messages of the ring that follow one another for a viewer.
#[derive(Debug)]
pub struct Page {
    frames: Vec<Arc<Frame>>,
    reached: Cursor,
    together: [OnceLock<Bytes>; View::COUNT],
}

impl Page {
    /// Of what was found.
    fn of(found: Found) -> Self {
        Self { frames: found.frames, reached: found.reached, together: [const { OnceLock::new() }; View::COUNT] }
    }

    /// The messages, in order; at least one.
    #[must_use]
    pub fn frames(&self) -> &[Arc<Frame>] {
        &self.frames
    }

    /// Everything that matches up to here is in it.
    pub(super) fn reached(&self) -> Cursor {
        self.reached
    }

    /// The events of all its messages, one after the other.
    pub(super) fn together(&self, view: View, rows: &Rows) -> Bytes {
        let event = |frame: &Arc<Frame>| frame.event_in(view, rows);
        let together = || match self.frames.as_slice() {
            [only] => event(only),
            frames => {
                let mut bytes = BytesMut::new();
                for frame in frames {
                    bytes.extend_from_slice(&event(frame));
                }
                bytes.freeze()
            }
        };
        self.together[view.index()].get_or_init(together).clone()
    }
}

/// The pages that were found last. Few are enough: who is at a place of their own finds a page of their own.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<VecDeque<Known>>);

#[derive(Debug)]
struct Known {
    opening: u64,
    position: Cursor,
    filter: Filter,
    page: Arc<Page>,
}

impl Pages {
    /// What a viewer at this position is shown next from the ring, or what else to do for it.
    pub(super) fn next(&self, ring: &Ring, watermark: Cursor, position: Cursor, filter: &Filter) -> Result<Arc<Page>, Step> {
        if let Some(page) = self.find(ring, position, filter) {
            return Ok(page);
        }
        match step::next(ring, watermark, position, filter) {
            Step::Ring(found) if !found.frames.is_empty() => {
                let page = Arc::new(Page::of(found));
                self.keep(ring, position, filter, page.clone());
                Ok(page)
            }
            step => Err(step),
        }
    }

    /// How many are kept: each is at most as long as one look into the ring.
    const MOST: usize = 32;
    /// A page of so many messages is worth taking although more came since.
    const ENOUGH: usize = 16;

    /// What follows a position, where somebody else has found it.
    fn find(&self, ring: &Ring, position: Cursor, filter: &Filter) -> Option<Arc<Page>> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &&Known| known.position == position && known.opening == ring.opening() && known.filter == *filter;
        let page = &pages.iter().rev().find(is_it)?.page;
        (page.reached >= ring.head() || page.frames.len() >= Self::ENOUGH).then(|| page.clone())
    }

    /// Keeps what was found in a ring.
    fn keep(&self, ring: &Ring, position: Cursor, filter: &Filter, page: Arc<Page>) {
        let known = Known { opening: ring.opening(), position, filter: filter.clone(), page };
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() == Self::MOST {
            pages.pop_front();
        }
        pages.push_back(known);
    }
}

#[cfg(test)]
mod tests;
