//! `runs`: the list of runs, once, or again and again as they change. It asks the API and nothing else.

mod changes;
pub mod table;

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::args::client::Format;
use crate::args::runs::RunsArgs;
use crate::client::backoff::Backoff;
use crate::client::follow::{Followed, Stream, follow};
use crate::client::http::{AskError, Client};
use crate::terminal::output::{Closed, Output, notice};
use crate::terminal::{visible, zone};
use changes::Changes;
use table::{Look, Table};

/// Runs in one answer of the server, at most.
const PAGE: usize = 200;
/// How soon after a connection the list is looked at once more: what a server stores between its start and the moment from
/// which it tells of changes is in the list alone.
const LOOK: Duration = Duration::from_secs(3);
/// And how often later, since the stream of changes has no positions that would show a gap.
const LATER_LOOK: Duration = Duration::from_secs(30);

/// Shows the list; with `--watch` until SIGTERM or SIGINT, or until nobody reads the output any more.
///
/// # Errors
/// When the server cannot be reached or does not answer what was asked, in words that say what to do.
pub async fn run(args: &RunsArgs) -> anyhow::Result<()> {
    let stop = service::signals::stop_token()?;
    let client = Client::new(&args.client)?;
    let output = Output::standard();
    let look = Look { colours: output.colours(args.show.color), zone: zone::zone(args.show.utc) };
    let list = List { args, client, table: Table::new(look), output: &output };
    let ended = tokio::select! {
        ended = list.show() => ended,
        () = output.gone() => Ok(()),
        () = stop.cancelled() => Ok(()),
    };
    output.finish().await.context("cannot write to standard output")?;
    ended
}

struct List<'a> {
    args: &'a RunsArgs,
    client: Client,
    table: Table,
    output: &'a Output,
}

impl List<'_> {
    async fn show(mut self) -> anyhow::Result<()> {
        if !self.args.watch {
            let runs = self.load().await?;
            // A reader that has gone has what it wanted.
            drop(self.write(&runs, true).await);
            return Ok(());
        }
        let stream = Stream { path: vec!["api", "agents", "runs", "events"], query: Vec::new() };
        let mut told = follow(self.client.clone(), stream);
        let mut changes = Changes::default();
        let mut first = true;
        let mut look = Instant::now() + LOOK;
        loop {
            let followed = tokio::select! {
                followed = told.recv() => followed.context("the stream is not followed any more; this is a bug")??,
                () = sleep_until(look), if !first => {
                    look = Instant::now() + LATER_LOOK;
                    Followed::Open
                }
            };
            let runs = match followed {
                // What changed while nobody listened is in the list, which is asked for once somebody does.
                Followed::Open => {
                    let mut runs = if first { self.load().await? } else { self.load_again().await? };
                    runs.retain(|run| changes.is_new(run));
                    runs
                }
                Followed::Lost { reason, again } => {
                    look = Instant::now() + again + LOOK;
                    notice(&format!("-- {}; trying again in {:.1} s", visible::line(&reason), again.as_secs_f64()));
                    continue;
                }
                Followed::Event(event) if event.name == "run" => {
                    let run = serde_json::from_str::<Value>(&event.data).context("the server sent a run that is no JSON")?;
                    if changes::is_wanted(&run, self.args) && changes.is_new(&run) { vec![run] } else { continue }
                }
                Followed::Event(_) => continue,
            };
            if self.write(&runs, first).await.is_err() {
                return Ok(());
            }
            first = false;
        }
    }

    /// The list, newest first; oldest first where it stays, so that the newest is what was said last.
    async fn load(&self) -> Result<Vec<Value>, AskError> {
        let limit = usize::from(self.args.limit);
        let mut runs: Vec<Value> = Vec::new();
        let mut before: Option<String> = None;
        while runs.len() < limit {
            let mut query = vec![("limit", PAGE.min(limit - runs.len()).to_string())];
            query.extend(self.args.state.iter().map(|state| ("state", state.clone())));
            query.extend(self.args.namespace.iter().map(|namespace| ("namespace", namespace.clone())));
            query.extend(self.args.text.iter().map(|text| ("q", text.clone())));
            query.extend(before.iter().map(|before| ("before", before.clone())));
            let mut page = self.client.json(&["api", "agents", "runs"], &query).await?;
            if let Some(found) = page["runs"].as_array_mut() {
                runs.append(found);
            }
            before = page["next"].as_str().map(ToOwned::to_owned);
            if before.is_none() {
                break;
            }
        }
        if self.args.watch {
            runs.reverse();
        }
        Ok(runs)
    }

    /// The list of a server that has just come back: its database may take a little longer. Changes wait meanwhile.
    async fn load_again(&self) -> Result<Vec<Value>, AskError> {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.load().await {
                Err(error) if error.is_passing() => error,
                loaded => return loaded,
            };
            let again = backoff.next(service::nats::random_fraction()).max(error.after().unwrap_or_default());
            let reason = format!("{:#}", anyhow::Error::from(error));
            notice(&format!("-- {}; trying again in {:.1} s", visible::line(&reason), again.as_secs_f64()));
            tokio::time::sleep(again).await;
        }
    }

    async fn write(&mut self, runs: &[Value], first: bool) -> Result<(), Closed> {
        let text = match self.args.show.output {
            Format::Json => {
                let lines = runs.iter().map(Value::to_string);
                lines.flat_map(|run| [visible::json(&run).into_owned(), "\n".to_owned()]).collect()
            }
            Format::Text => {
                if first && runs.is_empty() {
                    notice("-- no run");
                }
                self.table.render(runs, self.output.width())
            }
        };
        self.output.write(text).await
    }
}
