//! How much at once. What is over it is told to come back, so that those who are there go on undisturbed.
//!
//! Streams and other requests are counted apart: neither starves the other. Beyond both there is room for connections that
//! do nothing at the moment. A request counts until its answer has left, and so do the bytes of the answer: whoever asks for
//! much and takes nothing has what one user may have, and no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// What answers take that are made or sent, in KiB: a fifth of what a pod of the manifests has.
const ANSWERS: u32 = 96 << 10;
/// Of that, the answers that one user has not taken yet.
const ANSWERS_PER_USER: u32 = ANSWERS / 4;
/// What an answer is given while it is made: a page of history holds as much text.
const MAKING: u32 = 4 << 10;
/// What parts of exports take, in KiB.
const PARTS: u32 = 32 << 10;
/// The same of a part of an export: texts, one message more, and what is written of them.
const PART: u32 = 1 << 10;
/// How long an answer waits for others to leave.
const WAIT: Duration = Duration::from_secs(10);

/// How much at once at most.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Streams, exports too.
    pub streams: u32,
    /// Of these, of one user.
    pub streams_per_user: u32,
    /// Other requests.
    pub requests: u32,
    /// Of these, of one user.
    pub requests_per_user: u32,
}

impl Default for Most {
    fn default() -> Self {
        Self { streams: 5_000, streams_per_user: 20, requests: 256, requests_per_user: 32 }
    }
}

/// What is open. Clones share it.
#[derive(Debug, Clone)]
pub struct Limits {
    most: Most,
    streams: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    /// Those of whom it is not known yet who they are.
    strangers: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    /// In KiB.
    answers: Arc<Semaphore>,
    /// In KiB, of exports.
    parts: Arc<Semaphore>,
    users: Users,
}

/// What tells users apart; an open server knows none.
type User = [u8; 32];

/// What each user has who has anything.
type Users = Arc<Mutex<HashMap<User, Open>>>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Open {
    streams: u32,
    requests: u32,
    /// KiB of answers that they have not taken.
    answers: u32,
}

/// The share of a user in what is open; it is counted for as long as this lives.
#[derive(Debug)]
struct Share {
    user: Option<(Users, User)>,
    open: Open,
}

/// An open stream, or a request that is not answered in full; it is counted for as long as this lives.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

/// What an answer takes until it has left.
#[derive(Debug)]
pub(super) struct Held {
    _place: Place,
    _room: OwnedSemaphorePermit,
    _share: Share,
}

impl Limits {
    /// Nothing is open yet.
    #[must_use]
    pub fn new(most: Most) -> Self {
        let semaphore = |places: u32| Arc::new(Semaphore::new(places as usize));
        Self {
            most,
            streams: semaphore(most.streams),
            requests: semaphore(most.requests),
            strangers: semaphore(most.requests),
            connections: semaphore(most.connections()),
            answers: semaphore(ANSWERS),
            parts: semaphore(PARTS),
            users: Users::default(),
        }
    }

    /// A place for a request of whom it has to be asked who they are.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn stranger(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let most = self.most.requests;
        let full = |_| Problem::unavailable(format!("{most} others are waiting until it is known who they are"));
        self.strangers.clone().try_acquire_owned().map_err(full)
    }

    /// A place for one request.
    ///
    /// # Errors
    /// When there is none, or none for this user.
    pub fn request(&self, user: Option<User>) -> Result<Place, Problem> {
        let Most { requests, requests_per_user, .. } = self.most;
        let full = |_| {
            Problem::unavailable(format!("{requests} requests are being answered, which is all that this server does at once"))
        };
        let permit = self.requests.clone().try_acquire_owned().map_err(full)?;
        let one = Open { requests: 1, ..Open::default() };
        let share = self.share(user, one, |open| open.requests < requests_per_user);
        let share = share.ok_or_else(|| {
            Problem::unavailable(format!(
                "{requests_per_user} requests of yours are being answered, which is all that one user has at once"
            ))
        })?;
        Ok(Place { _permit: permit, _share: share })
    }

    /// Room to make an answer in.
    ///
    /// # Errors
    /// When others do not leave in time.
    pub(super) async fn room(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.room_of(MAKING).await
    }

    /// Room for a part of an answer that is made while it is sent, however long that takes; nothing when the process ends.
    pub(crate) async fn room_of_part(&self) -> Option<OwnedSemaphorePermit> {
        self.parts.clone().acquire_many_owned(PART).await.ok()
    }

    async fn room_of(&self, size: u32) -> Result<OwnedSemaphorePermit, Problem> {
        let room = tokio::time::timeout(WAIT, self.answers.clone().acquire_many_owned(size)).await;
        // The semaphore is never closed.
        room.ok().and_then(Result::ok).ok_or_else(|| Problem::unavailable("answers to others have not left yet"))
    }

    /// What an answer of so many bytes takes until it is sent.
    ///
    /// # Errors
    /// When there is no room for it, or this user has not taken others.
    pub(super) async fn hold(
        &self,
        user: Option<User>,
        place: Place,
        mut room: OwnedSemaphorePermit,
        bytes: u64,
    ) -> Result<Held, Problem> {
        let size = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(ANSWERS);
        let answers = Open { answers: size, ..Open::default() };
        // One that is larger than a share is sent all the same, alone.
        let fits = |open: &Open| open.answers == 0 || open.answers.saturating_add(size) <= ANSWERS_PER_USER;
        let share = self.share(user, answers, fits);
        let share = share.ok_or_else(|| Problem::unavailable("answers to you were not taken yet; take them first"))?;
        let made = u32::try_from(room.num_permits()).unwrap_or(u32::MAX);
        if size > made {
            room.merge(self.room_of(size - made).await?);
        } else {
            drop(room.split((made - size) as usize));
        }
        Ok(Held { _place: place, _room: room, _share: share })
    }

    /// A place for one stream.
    ///
    /// # Errors
    /// When there is none, or none for this user.
    pub fn stream(&self, user: Option<User>) -> Result<Place, Problem> {
        let Most { streams, streams_per_user, .. } = self.most;
        let full = |_| Problem::unavailable(format!("{streams} streams are open, which is all that this server has at once"));
        let permit = self.streams.clone().try_acquire_owned().map_err(full)?;
        let one = Open { streams: 1, ..Open::default() };
        let share = self.share(user, one, |open| open.streams < streams_per_user);
        let share = share.ok_or_else(|| {
            let detail =
                format!("{streams_per_user} streams of yours are open, which is all that one user has at once: close one");
            Problem::unavailable(detail)
        })?;
        Ok(Place { _permit: permit, _share: share })
    }

    /// Adds to what a user has, where there is room for it; an open server knows no users.
    fn share(&self, user: Option<User>, more: Open, has_room: impl FnOnce(&Open) -> bool) -> Option<Share> {
        let Some(user) = user else { return Some(Share { user: None, open: more }) };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let open = users.entry(user).or_default();
        if !has_room(open) {
            return None;
        }
        open.streams += more.streams;
        open.requests += more.requests;
        open.answers += more.answers;
        Some(Share { user: Some((self.users.clone(), user)), open: more })
    }

    /// A place for one connection, if there is one.
    #[must_use]
    pub fn connection(&self) -> Option<OwnedSemaphorePermit> {
        self.connections.clone().try_acquire_owned().ok()
    }

    /// Waits until no stream is open. No stream has a place any more from now on.
    pub async fn no_streams(&self) {
        // The semaphore is never closed.
        if let Ok(all) = self.streams.acquire_many(self.most.streams).await {
            all.forget();
        }
    }

    /// Waits until no connection is open. None has a place any more from now on.
    pub async fn no_connections(&self) {
        if let Ok(all) = self.connections.acquire_many(self.most.connections()).await {
            all.forget();
        }
    }
}

impl Most {
    /// Connections: one for each stream and request, and a quarter more that are idle.
    fn connections(self) -> u32 {
        let busy = self.streams.saturating_add(self.requests);
        busy.saturating_add(busy / 4)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((users, user)) = &self.user else { return };
        let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = users.get_mut(user) {
            open.streams -= self.open.streams;
            open.requests -= self.open.requests;
            open.answers -= self.open.answers;
            if *open == Open::default() {
                users.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests;
