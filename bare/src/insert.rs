//! The yardstick that storing is measured by: the least that writes the same rows into the same tables, all their indexes
//! included.
//!
//! It has two connections, as ingest stores two batches at once, and batches of the same size, one statement and one commit
//! each. The rows were read from the tables beforehand. Like ingest it leaves a row alone that is there already: without that,
//! what is delivered again could not be stored at all. It decodes nothing, looks for no copy and knows no run.
//!
//! It does what standard input says, one command a line, and answers each on standard output when it is done: `load` reads all
//! rows of the table, `insert` writes all of them and tells how many seconds that took. `stream` does the least that ingest has
//! to do: for each 500 messages of the durable consumer it writes 500 of the rows, commits, and acknowledges the messages; it
//! tells how many rows a second that were after the first 500.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, Message};
use bare::rows::{self, BATCH, Batch};
use bare::say::say;
use clap::Parser;
use futures_util::StreamExt as _;
use service::nats::NatsArgs;
use tokio::sync::mpsc;
use tokio_postgres::{Client, NoTls, Statement};

const CONNECTIONS: usize = 2;
const STREAM: &str = "agent-comms";
const DURABLE: &str = "jangar-agent-comms";
/// How long the server may take to bring the rest of what it has.
const EXPIRES: Duration = Duration::from_secs(5);

/// Writes rows that were read beforehand, as fast as it can
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    nats: NatsArgs,
}

/// A connection that is ready to insert.
struct Inserter {
    client: Client,
    insert: Statement,
}

#[tokio::main]
async fn main() -> ExitCode {
    service::tls::install_provider();
    service::exit::report("bare-insert", serve(&Arguments::parse().nats).await)
}

async fn serve(args: &NatsArgs) -> anyhow::Result<()> {
    // Ingest's own settings of the client.
    let client = args.options("bare insert", &std::env::temp_dir())?.connect(args.servers()?).await?;
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
            "stream" => say(&format!("streamed {}", stream(&client, &inserters, &batches).await?))?,
            _ => bail!("`{command}` is no command; say `load`, `insert` or `stream`"),
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

/// What each connection takes is written and acknowledged before it takes more. Gives the rows a second.
async fn stream(client: &async_nats::Client, inserters: &Arc<Vec<Inserter>>, batches: &Arc<Vec<Batch>>) -> anyhow::Result<f64> {
    let consumer: PullConsumer = jetstream::new(client.clone()).get_consumer_from_stream(DURABLE, STREAM).await?;
    let (sender, receiver) = mpsc::channel(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let begun = Arc::new(std::sync::OnceLock::new());
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (inserters, batches, receiver, begun) = (inserters.clone(), batches.clone(), receiver.clone(), begun.clone());
            tokio::spawn(async move {
                loop {
                    let taken: Option<(usize, Vec<Message>)> = receiver.lock().await.recv().await;
                    let Some((place, messages)) = taken else { return anyhow::Ok(()) };
                    let Inserter { client, insert } = &inserters[number];
                    client.execute(insert, &batches[place].parameters()).await?;
                    for message in messages {
                        message.ack().await.map_err(anyhow::Error::from_boxed)?;
                    }
                    begun.get_or_init(Instant::now);
                }
            })
        })
        .collect();
    for place in 0..batches.len() {
        let mut messages = Vec::with_capacity(BATCH);
        let count = batches[place].len();
        while messages.len() < count {
            let mut request = consumer.batch().max_messages(count - messages.len()).expires(EXPIRES).messages().await?;
            let before = messages.len();
            while let Some(message) = request.next().await {
                messages.push(message.map_err(anyhow::Error::from_boxed)?);
            }
            ensure!(messages.len() > before, "the consumer has no more than {place} batches and {before} messages");
        }
        if sender.send((place, messages)).await.is_err() {
            break;
        }
    }
    drop(sender);
    for task in tasks {
        task.await??;
    }
    client.flush().await?;
    let seconds = begun.get().context("nothing was stored")?.elapsed().as_secs_f64();
    let rows: usize = batches.iter().skip(1).map(Batch::len).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(rows as f64 / seconds)
}
