//! Takes records into the spool, one writer after the other, and wakes whoever reads it. Writers wait while it is full.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use message::{Source, body::Body, id};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::SPOOL_LABEL;
use crate::spool::{Accepted, AppendError, Entry, Form, Peer, Spool};

/// How long a writer waits at most before it is tried again to take its record.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The way into the spool.
#[derive(Debug, Clone)]
pub struct Intake {
    spool: Arc<Mutex<Spool>>,
    pod_uid: Arc<str>,
    /// Told when something was appended.
    written: Arc<Notify>,
    /// Told when space was freed.
    freed: Arc<Notify>,
    /// Cancelled when nothing is taken any more.
    closed: CancellationToken,
    /// Whether writers wait, which is told once.
    is_waited_for: Arc<AtomicBool>,
}

impl Intake {
    /// Into this spool. `written` is told of every append.
    #[must_use]
    pub fn new(spool: Spool, pod_uid: &str, written: Arc<Notify>) -> Self {
        Self {
            spool: Arc::new(Mutex::new(spool)),
            pod_uid: pod_uid.into(),
            written,
            freed: Arc::default(),
            closed: CancellationToken::new(),
            is_waited_for: Arc::default(),
        }
    }

    /// The spool itself. Never held across an await.
    pub fn spool(&self) -> MutexGuard<'_, Spool> {
        // No holder panics between two changes that belong together: the spool's file decides, not its memory.
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees what is acknowledged and lets waiting writers try again.
    pub fn free(&self, position: u64) {
        let result = self.spool().free(position);
        if let Err(error) = result {
            tracing::warn!(error = %error, "cannot free space of the spool");
        }
        self.freed.notify_waiters();
    }

    /// Takes nothing more: what the spool holds is all that will be sent.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Appends records, all or none, and gives the ids of their messages. Waits while the spool is full or the disk
    /// refuses: the record stays with its writer. Nothing when nothing is taken any more.
    pub async fn accept(&self, container: &str, peer: Peer, raws: &[&[u8]]) -> Option<Vec<Uuid>> {
        self.when_possible(|| self.try_accept(container, peer, raws)).await
    }

    /// Appends a batch of `exec` under its key, if it is not there already. Waits as [`Intake::accept`] does.
    pub async fn accept_batch(&self, container: &str, peer: Peer, key: &str, batch: &[u8]) -> Option<()> {
        let accepted_at = unix_micros();
        // No step's own id begins like this one by chance.
        let id = Some(id::of_step(&self.pod_uid, &format!("agent-comms exec {key}")));
        self.when_possible(|| {
            let entry = Entry { container, accepted_at, peer, id, form: Form::Batch, raw: batch };
            self.spool().append([entry])?;
            self.written.notify_one();
            Ok(())
        })
        .await
    }

    /// The first part of a line that is longer than a record may be.
    pub async fn accept_piece(&self, container: &str, peer: Peer, raw: &[u8]) -> Option<()> {
        let accepted_at = unix_micros();
        self.when_possible(|| {
            self.spool().append([Entry { container, accepted_at, peer, id: None, form: Form::Piece, raw }])?;
            self.written.notify_one();
            Ok(())
        })
        .await
    }

    /// Tries until the spool takes it; nothing when nothing is taken any more.
    async fn when_possible<T>(&self, attempt: impl Fn() -> Result<T, AppendError>) -> Option<T> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.closed.is_cancelled() {
                return None;
            }
            match attempt() {
                Ok(accepted) => {
                    if self.is_waited_for.swap(false, Ordering::Relaxed) {
                        tracing::info!("the spool takes records again");
                    }
                    return Some(accepted);
                }
                Err(error) => {
                    if !self.is_waited_for.swap(true, Ordering::Relaxed) {
                        tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "writers wait for the spool");
                    }
                }
            }
            tokio::select! {
                () = freed => {}
                // A full disk gets room without our freeing anything.
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.closed.cancelled() => return None,
            }
        }
    }

    fn try_accept(&self, container: &str, peer: Peer, raws: &[&[u8]]) -> Result<Vec<Uuid>, AppendError> {
        let accepted_at = unix_micros();
        let own_ids: Vec<Option<Uuid>> = raws.iter().map(|raw| self.own_id(raw)).collect();
        let form = Form::Record;
        let entries = raws.iter().zip(&own_ids).map(|(raw, id)| Entry { container, accepted_at, peer, id: *id, form, raw });
        let mut spool = self.spool();
        let accepted = spool.append(entries)?;
        let generation = spool.generation();
        drop(spool);
        self.written.notify_one();
        let id_of = |((accepted, own_id), raw): ((&Accepted, &Option<Uuid>), &&[u8])| match (accepted, own_id) {
            (_, Some(id)) => *id,
            (Accepted::New { start, end }, None) => self.id_of(generation, *start, *end, raw),
            (Accepted::Known, None) => Uuid::nil(),
        };
        Ok(accepted.iter().zip(&own_ids).zip(raws).map(id_of).collect())
    }

    fn id_of(&self, generation: u64, start: u64, end: u64, raw: &[u8]) -> Uuid {
        let source =
            Source { pod_uid: self.pod_uid.as_ref().to_owned(), label: SPOOL_LABEL.to_owned(), generation, start, end, part: 0 };
        id::of_bytes(&source, raw)
    }

    /// The message id made of the id that the step gave, when the record is an object with one.
    fn own_id(&self, raw: &[u8]) -> Option<Uuid> {
        // Most lines are text, and most objects name no id: only what may be one is worth parsing here.
        let may_have_one = raw.trim_ascii_start().first() == Some(&b'{') && raw.windows(2).any(|pair| pair == b"d\"");
        if !may_have_one {
            return None;
        }
        match serde_json::from_slice(raw).ok()? {
            Value::Object(object) => Some(id::of_step(&self.pod_uid, &Body::read(object).id?)),
            _ => None,
        }
    }
}

fn unix_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
