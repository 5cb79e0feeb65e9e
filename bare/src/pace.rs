//! How long a message takes from its publisher to a viewer, at a steady pace: both are here, so that one clock is read.
//!
//! Messages come from a file that was made beforehand and are published at the moments that the pace gives, whether the
//! server keeps up or not: a message that had to wait for its turn was late. The viewer is a thread of its own that does
//! nothing but read. Prints the middle of all times, the 99th of a hundred and the longest, in milliseconds.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bare::events::{Messages, is_live};
use bare::messages::Prepared;
use bare::program;
use bare::request::{self, Answer, Version};
use bare::say::say;
use clap::Parser;
use futures_util::StreamExt as _;
use service::nats::NatsArgs;
use tokio::time::MissedTickBehavior;

/// Publishes messages at a steady pace and tells when a viewer had them
#[derive(Parser)]
struct Arguments {
    /// Where the event stream is
    #[arg(long)]
    address: String,
    #[arg(long)]
    path: String,
    /// The messages
    #[arg(long)]
    messages: std::path::PathBuf,
    /// Messages a second
    #[arg(long)]
    rate: u32,
    #[command(flatten)]
    nats: NatsArgs,
}

fn main() -> ExitCode {
    service::tls::install_provider();
    let arguments = Arguments::parse();
    program::run("bare-pace", measure(&arguments))
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let options = arguments.nats.options("bare pace", &std::env::temp_dir())?;
    let client = options.connect(arguments.nats.servers()?).await?;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(format!("{inbox}.*")).await?;
    client.flush().await?;
    let prepared = Prepared::load(&arguments.messages, &inbox)?;
    let count = prepared.0.len();
    let viewer = view(&arguments.address, &arguments.path, count)?;
    let answering = tokio::spawn(async move {
        for _ in 0..count {
            let answer = answers.next().await.context("the connection is lost")?;
            if !answer.payload.starts_with(b"{\"stream\"") {
                bail!("the stream does not take a message: {}", String::from_utf8_lossy(&answer.payload));
            }
        }
        Ok(())
    });
    let between = Duration::from_secs(1) / arguments.rate;
    let begin = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = Vec::with_capacity(count);
    let mut messages = prepared.0.into_iter().peekable();
    while messages.peek().is_some() {
        ticks.tick().await;
        while begin + between * u32::try_from(due.len())? <= Instant::now()
            && let Some(message) = messages.next()
        {
            due.push(begin + between * u32::try_from(due.len())?);
            client.publish_with_reply_and_headers(message.subject, message.reply, message.headers, message.payload).await?;
        }
    }
    answering.await??;
    let seen = tokio::task::spawn_blocking(move || viewer.join()).await?;
    let seen = seen.map_err(|_| anyhow::anyhow!("the viewer broke off"))??;
    let mut times: Vec<Duration> = seen.iter().zip(&due).map(|(seen, due)| seen.saturating_duration_since(*due)).collect();
    times.sort_unstable();
    let millis = |hundredths: usize| {
        let index = (times.len() * hundredths).div_ceil(100).saturating_sub(1);
        times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    say(&format!("{} {} {}", millis(50), millis(99), millis(100)))?;
    Ok(())
}

/// Reads an event stream in a thread of its own, once it is live; gives when each message came.
fn view(address: &str, path: &str, count: usize) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<Vec<Instant>>>> {
    let Answer { mut stream, mut begun, .. } = request::ask(address, path, Version::Chunked, None)?;
    let mut buffer = vec![0; 256 * 1024];
    while !is_live(&begun) {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            bail!("the stream ended before it was live");
        }
        begun.extend_from_slice(&buffer[..length]);
    }
    Ok(std::thread::spawn(move || {
        let mut messages = Messages::default();
        let mut seen = Vec::with_capacity(count);
        while seen.len() < count {
            let length = stream.read(&mut buffer)?;
            if length == 0 {
                bail!("the stream ended after {} of {count} messages", seen.len());
            }
            let now = Instant::now();
            messages.count(&buffer[..length]);
            seen.resize(messages.counted(), now);
        }
        Ok(seen)
    }))
}
