//! The yardstick that storing is measured by: the least that writes the same rows into the same tables, all their indexes
//! included.
//!
//! It has two connections, as ingest stores two batches at once, and batches of the same size, one statement and one commit
//! each. The rows were read from the tables beforehand. Like ingest it leaves a row alone that is there already: without that,
//! what is delivered again could not be stored at all. It reads no stream, decodes nothing, looks for no copy, knows no run and
//! acknowledges nothing.
//!
//! It does what standard input says, one command a line, and answers each on standard output when it is done: `load` reads all
//! rows of the table, `insert` writes all of them and tells how many seconds that took.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, bail};
use bare::rows::{self, Batch};
use bare::say::say;
use tokio_postgres::{Client, NoTls, Statement};

const CONNECTIONS: usize = 2;

/// A connection that is ready to insert.
struct Inserter {
    client: Client,
    insert: Statement,
}

#[tokio::main]
async fn main() -> ExitCode {
    service::exit::report("bare-insert", serve().await)
}

async fn serve() -> anyhow::Result<()> {
    let url = std::env::var("AGENT_COMMS_DATABASE_URL").context("AGENT_COMMS_DATABASE_URL is not set")?;
    let mut inserters = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        inserters.push(Inserter { insert: client.prepare(rows::INSERT).await?, client });
    }
    let inserters = Arc::new(inserters);
    let mut batches = Arc::new(Vec::new());
    say("connected")?;
    // Reading blocks, and the connections must go on meanwhile.
    while let Some(command) = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await?.transpose()? {
        match command.as_str() {
            "load" => {
                batches = Arc::new(rows::load(&inserters[0].client).await?);
                say("loaded")?;
            }
            "insert" => {
                let start = Instant::now();
                insert(&inserters, &batches).await?;
                say(&format!("inserted {}", start.elapsed().as_secs_f64()))?;
            }
            _ => bail!("`{command}` is no command; say `load` or `insert`"),
        }
    }
    Ok(())
}

/// Each connection takes the next batch that nobody took.
async fn insert(inserters: &Arc<Vec<Inserter>>, batches: &Arc<Vec<Batch>>) -> anyhow::Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (inserters, batches, next) = (inserters.clone(), batches.clone(), next.clone());
            tokio::spawn(async move {
                let Inserter { client, insert } = &inserters[number];
                while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    client.execute(insert, &batch.parameters()).await?;
                }
                Ok::<_, tokio_postgres::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}
