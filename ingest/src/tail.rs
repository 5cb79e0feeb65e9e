//! `tail`: what runs and the shared channel say, in a terminal, while they say it.
//!
//! It asks the API and nothing else, so it works from any machine that the API can be reached from. Each message is shown
//! once and in order, also over a server that goes away and comes again. Nothing that a message holds reaches the terminal
//! as anything but text.

mod choice;
pub mod pairing;
pub mod render;
pub mod said;
mod shown;

use anyhow::Context as _;
use tokio::time::{Instant, sleep_until};

use crate::args::client::Format;
use crate::args::tail::TailArgs;
use crate::client::follow::{Followed, follow};
use crate::client::http::Client;
use crate::client::sse::Event;
use crate::terminal::output::{Closed, Output, notice};
use crate::terminal::{visible, zone};
use pairing::{Line, Pairing};
use render::{Look, Renderer};
use said::Said;
use shown::Shown;

/// Runs until SIGTERM or SIGINT, until nobody reads the output any more, or until everything is shown where it is not to
/// follow.
///
/// # Errors
/// When the server cannot be reached or does not answer what was asked, in words that say what to do.
pub async fn run(args: &TailArgs) -> anyhow::Result<()> {
    let stop = service::signals::stop_token()?;
    let client = Client::new(&args.client)?;
    let output = Output::standard();
    let look = Look { colours: output.colours(args.show.color), zone: zone::zone(args.show.utc) };
    let mut tail = Tail { output, renderer: Renderer::new(look), pairing: Pairing::default(), shown: Shown::default(), args };
    let ended = tokio::select! {
        ended = tail.follow(client) => ended,
        () = stop.cancelled() => Ok(()),
    };
    let rest = tail.pairing.flush();
    // A reader that has gone wants no rest.
    drop(tail.show(rest).await);
    tail.output.finish().await.context("cannot write to standard output")?;
    ended
}

struct Tail<'a> {
    args: &'a TailArgs,
    output: Output,
    renderer: Renderer,
    pairing: Pairing,
    shown: Shown,
}

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    More,
    End,
}

impl Tail<'_> {
    async fn follow(&mut self, client: Client) -> anyhow::Result<()> {
        let Some(choice) = choice::choose(&client, self.args, &self.output).await? else { return Ok(()) };
        self.renderer.name_runs(choice.several);
        let mut told = follow(client, choice.stream);
        loop {
            let due = self.pairing.due();
            let next = tokio::select! {
                followed = told.recv() => match followed {
                    Some(followed) => self.take(followed?).await,
                    None => anyhow::bail!("the stream is not followed any more; this is a bug"),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    let lines = self.pairing.expire(Instant::now());
                    self.show(lines).await.map(|()| Next::More)
                }
                () = self.output.gone() => Err(Closed),
            };
            if !matches!(next, Ok(Next::More)) {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, followed: Followed) -> Result<Next, Closed> {
        match followed {
            Followed::Open => {}
            Followed::Lost { reason, again } => {
                notice(&format!("-- {}; trying again in {:.1} s", visible::line(&reason), again.as_secs_f64()));
            }
            Followed::Event(event) => return self.event(&event).await,
        }
        Ok(Next::More)
    }

    async fn event(&mut self, event: &Event) -> Result<Next, Closed> {
        match event.name.as_str() {
            "" => self.message(&event.data).await?,
            "caught_up" if self.args.no_follow => return Ok(Next::End),
            "reset" => {
                let reason = serde_json::from_str::<serde_json::Value>(&event.data).unwrap_or_default();
                let reason = match reason["reason"].as_str() {
                    Some("expired") => "they are past the retention",
                    Some("discarded") => "the stream discarded them before they were stored",
                    Some("unknown_epoch") => "the stream was made anew",
                    _ => "the server cannot tell them any more",
                };
                notice(&format!("-- messages may be missing here: {reason}; going on with the newest"));
            }
            "status" => notice("-- history cannot be read at the moment; waiting for it"),
            // Names that are not known yet are for readers that know them.
            _ => {}
        }
        Ok(Next::More)
    }

    async fn message(&mut self, data: &str) -> Result<(), Closed> {
        let said = match serde_json::from_str::<Said>(data) {
            Ok(said) => said,
            Err(error) => {
                notice(&format!("-- a message cannot be read: {}", visible::line(&error.to_string())));
                return Ok(());
            }
        };
        if !self.shown.first(&said) {
            return Ok(());
        }
        match self.args.show.output {
            Format::Json => self.output.write(format!("{}\n", visible::json(data))).await,
            Format::Text => {
                let lines = self.pairing.take(said, Instant::now());
                self.show(lines).await
            }
        }
    }

    async fn show(&mut self, lines: Vec<Line>) -> Result<(), Closed> {
        let width = self.output.width();
        let text: String = lines.iter().map(|line| self.renderer.render(line, width)).collect();
        self.output.write(text).await
    }
}
