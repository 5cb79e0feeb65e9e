//! What a replica was not told yet of the lives of the stream, because it cannot reach the stream or has not looked.

use std::sync::Arc;

use ingest::consume::life::Life;
use ingest::cursor::Cursor;
use ingest::epochs::{Epoch, Epochs};
use ingest::live::{Event, Hub, Start};
use ingest::settled::Settled;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::hub::{RUN, at, build, event, is_silent, sequences};
use crate::table::{Table, stored};

/// A replica that follows no stream: what it shows is from the table.
async fn replica(name: &str) -> (Table, watch::Sender<Settled>, Hub) {
    let table = Table::new(name).await;
    for sequence in 1..=6 {
        table.insert(&stored(sequence, RUN, &format!(r#"{{"content":"said {sequence}"}}"#))).await;
    }
    let settled = watch::Sender::new(Settled::at(at(6)));
    let hub = Hub::new(table.pools(), settled.subscribe(), Arc::new(Life::new(None)), CancellationToken::new());
    (table, settled, hub)
}

#[tokio::test]
async fn a_viewer_is_told_of_a_day_that_was_dropped_while_the_stream_was_away() {
    let (table, _settled, hub) = replica("lives_dropped").await;
    let sql = table.pool.get().await.unwrap();
    sql.batch_execute(
        "UPDATE workflow_comms.stream_epochs SET kept_from = 4 WHERE epoch = 1; \
         DELETE FROM workflow_comms.agent_messages WHERE stream_seq < 4",
    )
    .await
    .unwrap();
    let mut below = hub.subscribe(build(), Start::After(at(1)));
    assert!(matches!(event(&mut below).await, Event::Reset { reason: "expired", .. }));
    assert_eq!(sequences(&mut below, 3).await, vec![4, 5, 6]);
    let mut above = hub.subscribe(build(), Start::After(at(4)));
    assert_eq!(sequences(&mut above, 2).await, vec![5, 6]);
    let mut newest = hub.subscribe(build(), Start::Newest(10));
    assert_eq!(sequences(&mut newest, 3).await, vec![4, 5, 6]);
}

#[tokio::test]
async fn a_cursor_of_a_life_that_another_replica_told_waits_until_it_is_known_here() {
    let (table, settled, hub) = replica("lives_unheard").await;
    let sql = table.pool.get().await.unwrap();
    sql.batch_execute(
        "INSERT INTO workflow_comms.stream_epochs (epoch, starts_at, reason, first_seq) VALUES (2, now(), 'recreated', 1); \
         UPDATE workflow_comms.agent_messages SET epoch = 2 WHERE stream_seq > 4",
    )
    .await
    .unwrap();
    let told = Cursor { epoch: 2, sequence: 5 };
    let mut viewer = hub.subscribe(build(), Start::After(told));
    assert_eq!(event(&mut viewer).await, Event::Degraded);
    assert!(is_silent(&mut viewer).await);
    let epochs = Epochs(vec![Epoch { epoch: 1, ..Epoch::default() }, Epoch { epoch: 2, first_sequence: 1, ..Epoch::default() }]);
    let watermark = Cursor { epoch: 2, sequence: 6 };
    settled.send_replace(Settled { watermark, epochs: Arc::new(epochs), quarantine: false });
    assert_eq!(sequences(&mut viewer, 1).await, vec![6]);
}
