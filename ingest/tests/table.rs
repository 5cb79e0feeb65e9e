//! A database with the schema, and messages stored one by one, so that a test decides what is committed when.

use std::collections::BTreeSet;
use std::sync::Arc;

use deadpool_postgres::{Manager, Pool};
use ingest::batch::{Batch, Delivery, Row};
use ingest::epochs::Epochs;
use ingest::store::insert::insert;
use ingest::store::partitions::Partitions;
use ingest::store::pool::Pools;
use ingest::stored::StoredMessage;
use message::Received;
use neighbours::Postgres;
use time::{Duration, OffsetDateTime};
use tokio_postgres::NoTls;

/// A database of one test. The server lives as long as it does.
pub(crate) struct Table {
    pub(crate) pool: Pool,
    _server: Arc<Postgres>,
    partitions: tokio::sync::Mutex<Partitions>,
}

/// When the messages of tests that need no stream are stored: the same day, a microsecond apart.
pub(crate) fn moment(sequence: u64) -> OffsetDateTime {
    let start = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
    start + Duration::microseconds(i64::try_from(sequence).unwrap())
}

/// A message as the stream would hand it out.
pub(crate) fn stored(sequence: u64, subject: &str, payload: &str) -> StoredMessage {
    let received = Received { subject, payload: payload.as_bytes(), stored_at: moment(sequence), sequence };
    StoredMessage::decode(1, &received).unwrap()
}

impl Table {
    pub(crate) async fn new(name: &str) -> Self {
        let server = Postgres::shared().await.unwrap();
        let url = server.create_database(name).await.unwrap();
        let pool = Pool::builder(Manager::new(url.parse().unwrap(), NoTls)).max_size(4).build().unwrap();
        ingest::store::migrate::migrate(&pool).await.unwrap();
        Self { pool, _server: server, partitions: tokio::sync::Mutex::new(Partitions::new(30)) }
    }

    /// Its connections, for whoever parts them.
    pub(crate) fn pools(&self) -> Pools {
        Pools { storing: self.pool.clone(), reading: self.pool.clone() }
    }

    /// Stores a message, as a replica does.
    pub(crate) async fn insert(&self, stored: &StoredMessage) {
        let moment = stored.created_at.moment();
        let mut partitions = self.partitions.lock().await;
        partitions.ensure(&self.pool, &BTreeSet::from([moment.date()]), moment).await.unwrap();
        drop(partitions);
        let delivery = Delivery {
            subject: stored.subject.clone(),
            headers: None,
            payload: message::wire::to_json(&stored.message).into(),
            stored_at: moment,
            sequence: stored.cursor.sequence.unsigned_abs(),
        };
        let row = Row { stored: stored.clone(), resent: false, delivery: &delivery };
        let batch = Batch { rows: vec![row], ..Batch::default() };
        insert(&self.pool, &batch, &Epochs::first()).await.unwrap();
    }
}
