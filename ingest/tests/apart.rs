//! Readers wait for readers alone: whatever they ask, storing goes on.

use std::time::{Duration, Instant};

use ingest::args::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use crate::serving::readyz;
use crate::world::{DEADLINE, World};

/// As many as there are connections for all.
const CONNECTIONS: usize = 4;
const SETTING: [&str; 2] = ["--database-connections", "4"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_stored_while_readers_hold_every_connection_that_they_may_have() {
    // Its own, so that connections are short for nobody else's sake.
    let postgres = neighbours::Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let world = World::with(neighbours::nats::Options::default(), &postgres).await;
    let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--database-url", &world.url];
    let words = [&words[..], &["--drain-seconds", "0"], &SETTING].concat();
    let Command::Serve(args) = World::args(&world.nats.ingest(), &words).command else { panic!("no serve") };
    let stop = CancellationToken::new();
    let running = ingest::serve::start(&args, stop.clone()).await.expect("started");
    world.publish_numbered(0..10).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 10).await;

    // Readers of dead letters wait for whoever has the table; nothing that is stored here touches it.
    let locking = postgres.connect(&world.database).await.expect("a connection");
    locking.batch_execute("BEGIN; LOCK TABLE workflow_comms.dead_letters IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let api = running.api;
    let readers: Vec<_> = (0..3 * CONNECTIONS)
        .map(|_| {
            tokio::spawn(async move {
                // Whoever is turned away comes again.
                loop {
                    let mut stream = tokio::net::TcpStream::connect(api).await.expect("connected");
                    let request = "GET /api/agents/dead-letters HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
                    stream.write_all(request.as_bytes()).await.expect("sent");
                    stream.read_to_end(&mut Vec::new()).await.expect("read");
                }
            })
        })
        .collect();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while world.count(waiting).await < 2 {
        assert!(begun.elapsed() < DEADLINE, "no reader waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    world.publish_numbered(10..40).await;
    let in_time = Duration::from_secs(30);
    world.until_within("SELECT count(*) FROM workflow_comms.agent_messages", 40, in_time).await;
    world.until_within("SELECT watermark FROM workflow_comms.stream_epochs", 40, in_time).await;
    let begun = Instant::now();
    loop {
        let told = readyz(running.admin).await;
        if told.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(begun.elapsed() < in_time, "it is not ready: {told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    locking.batch_execute("ROLLBACK").await.expect("unlocked");
    for reader in readers {
        reader.abort();
    }
    stop.cancel();
    running.wait().await.expect("stopped");
}
