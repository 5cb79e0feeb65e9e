//! A database with the schema and partitions for three days, and deliveries made by hand, so that a test decides which copy
//! is stored when.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_nats::HeaderMap;
use clap::Parser as _;
use deadpool_postgres::Pool;
use ingest::batch::{Batch, Delivery};
use ingest::epochs::Epochs;
use ingest::store::StoreError;
use ingest::store::insert::{Inserted, insert};
use ingest::store::partitions::Partitions;
use neighbours::Postgres;
use time::macros::datetime;
use time::{Date, Duration, OffsetDateTime};

pub(crate) const DAYS: u8 = 3;
const FIRST_DAY: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

/// A database of one test.
pub(crate) struct Shelf {
    pub(crate) pool: Pool,
    pub(crate) sql: tokio_postgres::Client,
    pub(crate) url: String,
    name: String,
    server: Arc<Postgres>,
}

#[derive(clap::Parser)]
struct Database {
    #[command(flatten)]
    args: ingest::args::DatabaseArgs,
}

impl Shelf {
    pub(crate) async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = Postgres::shared().await.unwrap();
        let name = format!("shelf_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = server.create_database(&name).await.unwrap();
        let database = Database::try_parse_from(["x", "--database-url", &url]).unwrap();
        let pool = ingest::store::pool::open(&database.args).unwrap();
        ingest::store::migrate::migrate(&pool).await.unwrap();
        let days: BTreeSet<Date> = (0..DAYS).map(|day| stored_at(day, 0).date()).collect();
        Partitions::new(30).ensure(&pool, &days, FIRST_DAY).await.unwrap();
        Self { sql: server.connect(&name).await.unwrap(), pool, url, name, server }
    }

    /// Another connection.
    pub(crate) async fn another(&self) -> tokio_postgres::Client {
        self.server.connect(&self.name).await.unwrap()
    }

    /// Stores deliveries in one transaction, as a replica does.
    pub(crate) async fn store(&self, deliveries: &[Delivery]) -> Result<Inserted, StoreError> {
        insert(&self.pool, &batch(deliveries), &Epochs::first()).await
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.sql.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// A list of sequences.
    pub(crate) async fn sequences(&self, sql: &str) -> Vec<i64> {
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn rows(&self) -> Vec<i64> {
        self.sequences("SELECT stream_seq FROM workflow_comms.agent_messages ORDER BY epoch, stream_seq").await
    }

    pub(crate) async fn passed(&self) -> Vec<i64> {
        self.sequences("SELECT stream_seq FROM workflow_comms.passed ORDER BY epoch, stream_seq").await
    }

    pub(crate) async fn dead(&self, class: &str) -> Vec<i64> {
        self.sequences(&format!(
            "SELECT stream_seq FROM workflow_comms.dead_letters WHERE class = '{class}' ORDER BY epoch, stream_seq"
        ))
        .await
    }

    pub(crate) async fn settle(&self, watermark: i64) {
        let settle = "UPDATE workflow_comms.stream_epochs SET watermark = greatest(watermark, $1)";
        self.sql.execute(settle, &[&watermark]).await.unwrap();
    }
}

pub(crate) fn batch(deliveries: &[Delivery]) -> Batch<'_> {
    Batch::read(deliveries, &Epochs::first(), Date::MIN)
}

/// When the stream stored a sequence on one of the days.
fn stored_at(day: u8, sequence: u64) -> OffsetDateTime {
    FIRST_DAY + Duration::days(i64::from(day)) + Duration::milliseconds(i64::try_from(sequence).unwrap())
}

/// A delivery of a message with this id, whose body goes on with these members.
pub(crate) fn delivery(sequence: u64, day: u8, id: u64, members: &str, resent: bool) -> Delivery {
    let mut headers = HeaderMap::new();
    if resent {
        headers.insert(message::RESEND_HEADER, "1");
    }
    Delivery {
        subject: "workflow.demo.build.u-1.agent.a.message".to_owned(),
        headers: Some(headers),
        payload: format!(r#"{{"v":1,"id":"00000000-0000-8000-8000-{id:012x}",{members}}}"#).into(),
        stored_at: stored_at(day, sequence),
        sequence,
    }
}
