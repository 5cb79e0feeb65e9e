//! Messages around midnight, and copies of one message on two days.

use std::collections::BTreeSet;

use clap::Parser as _;
use ingest::batch::{Batch, Delivery};
use ingest::epochs::Epochs;
use ingest::store::insert::insert;
use ingest::store::partitions::Partitions;
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};

use crate::world::World;

const ID: &str = "00000000-0000-8000-8000-000000000001";

fn delivery(sequence: u64, stored_at: OffsetDateTime, id: &str, resent: bool) -> Delivery {
    let mut headers = async_nats::HeaderMap::new();
    headers.insert(message::RESEND_HEADER, if resent { "1" } else { "0" });
    Delivery {
        subject: "workflow.demo.build.u-1.agent.a.message".to_owned(),
        headers: Some(headers),
        payload: format!(r#"{{"v":1,"id":"{id}","content":"said"}}"#).into(),
        stored_at,
        sequence,
    }
}

#[derive(clap::Parser)]
struct Database {
    #[command(flatten)]
    args: ingest::args::DatabaseArgs,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_side_of_midnight_has_its_partition_and_a_resent_copy_is_known_on_the_other_side() {
    let world = World::start().await;
    let database = Database::try_parse_from(["x", "--database-url", &world.url]).expect("arguments");
    let pool = ingest::store::pool::open(&database.args).expect("a pool");
    // Of several replicas that start at once, one migrates and makes the partitions.
    let (one, other) = tokio::join!(ingest::store::migrate::migrate(&pool), ingest::store::migrate::migrate(&pool));
    one.and(other).expect("migrated");
    let before = datetime!(2026-03-01 23:59:59.999_999_999 UTC);
    let after = datetime!(2026-03-02 00:00 UTC);
    let another = ID.replace('1', "2");
    let deliveries = [delivery(1, before, ID, false), delivery(2, after, &another, false)];
    let batch = Batch::read(&deliveries, &Epochs::first(), Date::MIN);
    let days = BTreeSet::from([date!(2026 - 03 - 01), date!(2026 - 03 - 02)]);
    assert_eq!(batch.days(), days);
    let (mut mine, mut others) = (Partitions::new(30), Partitions::new(30));
    let (one, other) = tokio::join!(mine.ensure(&pool, &days, after), others.ensure(&pool, &days, after));
    one.and(other).expect("partitions");
    assert_eq!(insert(&pool, &batch, &Epochs::first()).await.expect("stored").rows, 2);
    let copies = [delivery(3, after, ID, true)];
    let again = Batch::read(&copies, &Epochs::first(), Date::MIN);
    let done = insert(&pool, &again, &Epochs::first()).await.expect("stored");
    assert_eq!((done.rows, done.repeated), (0, 1));
    for (day, expected) in [("20260301", 1), ("20260302", 1)] {
        assert_eq!(world.count(&format!("SELECT count(*) FROM workflow_comms.agent_messages_{day}")).await, expected);
    }
    assert_eq!(world.count("SELECT messages FROM workflow_comms.runs").await, 2);
}
