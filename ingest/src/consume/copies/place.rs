//! The place where copies are gathered: the replica whose session has the lock. It is given up by ending the session.

use deadpool_postgres::{ClientWrapper, Object, Pool};

use crate::store::Lock;

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
        if let Some(session) = &self.session {
            if !session.is_closed() {
                return false;
            }
            self.session = None;
        }
        let Ok(client) = self.pool.get().await else { return false };
        let sql = "SELECT pg_try_advisory_lock($1)";
        match client.query_one(sql, &[&Lock::Copies.key()]).await.and_then(|row| row.try_get(0)) {
            Ok(true) => {
                self.session = Some(Object::take(client));
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
}
