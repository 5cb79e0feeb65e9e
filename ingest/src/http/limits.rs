//! How much at once. What is over it is told to come back, so that those who are there go on undisturbed.
//!
//! Streams and other requests are counted apart: neither starves the other. Beyond both there is room for connections that
//! do nothing at the moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::access::Viewer;

/// How much at once at most.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Streams, exports too.
    pub streams: u32,
    /// Of these, of one user.
    pub streams_per_user: u32,
    /// Other requests.
    pub requests: u32,
}

impl Default for Most {
    fn default() -> Self {
        Self { streams: 5_000, streams_per_user: 20, requests: 256 }
    }
}

/// What is open. Clones share it.
#[derive(Debug, Clone)]
pub struct Limits {
    most: Most,
    streams: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    users: Users,
}

/// Open streams of each user who has any.
type Users = Arc<Mutex<HashMap<[u8; 32], u32>>>;

/// An open stream; it is counted for as long as this lives.
#[derive(Debug)]
pub struct Place {
    _stream: OwnedSemaphorePermit,
    user: Option<(Users, [u8; 32])>,
}

impl Limits {
    /// Nothing is open yet.
    #[must_use]
    pub fn new(most: Most) -> Self {
        let semaphore = |places: u32| Arc::new(Semaphore::new(places as usize));
        let connections = most.connections();
        Self {
            most,
            streams: semaphore(most.streams),
            requests: semaphore(most.requests),
            connections: semaphore(connections),
            users: Users::default(),
        }
    }

    /// A place for one request.
    ///
    /// # Errors
    /// When there is none.
    pub fn request(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let most = self.most.requests;
        self.requests.clone().try_acquire_owned().map_err(|_| {
            Problem::unavailable(format!("{most} requests are being answered, which is all that this server does at once"))
        })
    }

    /// A place for one stream.
    ///
    /// # Errors
    /// When there is none, or none for this viewer.
    pub fn stream(&self, viewer: &Viewer) -> Result<Place, Problem> {
        let Most { streams, streams_per_user, .. } = self.most;
        let full = || Problem::unavailable(format!("{streams} streams are open, which is all that this server has at once"));
        let stream = self.streams.clone().try_acquire_owned().map_err(|_| full())?;
        let Some(user) = viewer.id() else { return Ok(Place { _stream: stream, user: None }) };
        {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            let open = users.entry(user).or_default();
            if *open >= streams_per_user {
                let detail =
                    format!("{streams_per_user} streams of yours are open, which is all that one user has at once: close one");
                return Err(Problem::unavailable(detail));
            }
            *open += 1;
        }
        Ok(Place { _stream: stream, user: Some((self.users.clone(), user)) })
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

impl Drop for Place {
    fn drop(&mut self) {
        let Some((users, user)) = &self.user else { return };
        let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = users.get_mut(user) {
            *open -= 1;
            if *open == 0 {
                users.remove(user);
            }
        }
    }
}
