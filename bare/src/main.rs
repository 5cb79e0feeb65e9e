//! The yardstick that the sidecar is measured by: the fastest publisher we can write without the product.
//!
//! It has one thread, one connection over TLS, one subscription for all answers and a window of the sidecar's size. What it
//! sends was made beforehand, headers and reply subjects too. It reads no file, makes no id, redacts nothing, remembers
//! nothing: what the sidecar costs more than this is what the sidecar does more than this.
//!
//! It does what standard input says, one command a line, and answers each on standard output when it is done: `load FILE`
//! reads messages, `publish N` sends the next so many and waits until the stream has them. At the end of its input it
//! closes the connection and ends.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bare::messages::Prepared;
use bare::program;
use bare::say::say;
use bare::window;
use clap::Parser;
use service::nats::NatsArgs;

/// Publishes messages that were made beforehand, as fast as it can
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    nats: NatsArgs,
}

fn main() -> ExitCode {
    service::tls::install_provider();
    let arguments = Arguments::parse();
    program::run("bare-publisher", serve(&arguments.nats))
}

async fn serve(args: &NatsArgs) -> anyhow::Result<()> {
    // The sidecar's own settings of the client.
    let options = args.options("bare publisher", &std::env::temp_dir())?.client_capacity(600).subscription_capacity(1_024);
    let client = options.read_buffer_capacity(4 * 1024).connect(args.servers()?).await?;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(format!("{inbox}.*")).await?;
    client.flush().await?;
    let mut prepared = Prepared::default();
    say("connected")?;
    // Reading blocks, and the connection must go on meanwhile.
    while let Some(command) = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await?.transpose()? {
        match command.split_once(' ') {
            Some(("load", path)) => {
                prepared = Prepared::load(path.as_ref(), &inbox).with_context(|| format!("cannot load `{path}`"))?;
                say("loaded")?;
            }
            Some(("publish", count)) => {
                window::publish(&client, &mut answers, &mut prepared, count.parse()?).await?;
                say("published")?;
            }
            _ => bail!("`{command}` is no command; say `load FILE` or `publish N`"),
        }
    }
    client.flush().await?;
    Ok(())
}
