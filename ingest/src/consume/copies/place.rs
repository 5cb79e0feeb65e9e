//! The place where copies are gathered: the replica whose session has the lock. It is given up by ending the session, and
//! taken from a replica that hangs: one that says nothing for a while has its session ended by the database, since others give
//! back all copies for as long as it has the lock.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};

use crate::store::{Lock, NEVER_IDLE};

/// How long it may take to speak, which it does each second.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether this replica is the place.
#[derive(Debug)]
pub(super) struct Place {
    pool: Pool,
    /// A connection of its own, out of the pool, while this is the place.
    session: Option<ClientWrapper>,
}

impl Place {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, session: None }
    }

    /// Whether another replica gathers copies. Becomes the place where none does; nobody is while the database is away.
    pub(super) async fn is_elsewhere(&mut self) -> bool {
        if self.is_here().await {
            return false;
        }
        self.session = None;
        let Ok(client) = self.pool.get().await else { return false };
        let sql = "SELECT pg_try_advisory_lock($1)";
        match client.query_one(sql, &[&Lock::Copies.key()]).await.and_then(|row| row.try_get(0)) {
            Ok(true) => {
                let session = Object::take(client);
                // Without it nobody could take the place from a replica that hangs.
                self.session = session.batch_execute(NEVER_IDLE).await.is_ok().then_some(session);
                false
            }
            Ok(false) => true,
            Err(_) => false,
        }
    }

    /// Lets another replica be the place.
    pub(super) fn leave(&mut self) {
        self.session = None;
    }

    /// Whether this is the place still. Asking is what keeps it.
    async fn is_here(&self) -> bool {
        let Some(session) = &self.session else { return false };
        matches!(tokio::time::timeout(PATIENCE, session.check_connection()).await, Ok(Ok(())))
    }
}
