//! `dead-letters`: what could not be read or stored, listed, shown and read anew. It asks PostgreSQL itself.

mod table;
pub mod view;

use std::io::Write as _;

use anyhow::Context as _;
use deadpool_postgres::Pool;
use serde::Serialize;
use serde_json::json;

use crate::args::DatabaseArgs;
use crate::args::client::{Format, ShowArgs};
use crate::args::dead_letters::{DeadLettersArgs, DeadLettersCommand, ListArgs, RetryArgs, ShowLetterArgs};
use crate::cursor::Cursor;
use crate::read::dead_letters::{DeadLetterQuery, DeadLetterSummary, at, list};
use crate::runs::table::Look;
use crate::store::retry::{Letter, Never, Retried, retry};
use crate::terminal::output::{Closed, Output, notice};
use crate::terminal::{visible, zone};
use table::Table;

/// Dead letters read from the table at once.
const PAGE: usize = 200;

/// Does what is asked for.
///
/// # Errors
/// When a setting cannot be used or PostgreSQL cannot answer; of `show`, when there is no such dead letter; of `retry`, when
/// some are still dead letters.
pub async fn run(args: &DeadLettersArgs) -> anyhow::Result<()> {
    match &args.command {
        DeadLettersCommand::List(args) => {
            service::logs::start(&args.logs);
            shown(&args.show, &args.database, async |screen| list_all(args, screen).await).await
        }
        DeadLettersCommand::Show(args) => {
            service::logs::start(&args.logs);
            if args.raw {
                return raw(args).await;
            }
            shown(&args.show, &args.database, async |screen| show(args, screen).await).await
        }
        DeadLettersCommand::Retry(args) => {
            service::logs::start(&args.logs);
            shown(&args.show, &args.database, async |screen| retry_all(args, screen).await).await
        }
    }
}

/// Where answers come from and go to.
struct Screen {
    pool: Pool,
    output: Output,
    format: Format,
    look: Look,
}

/// Runs with an output, until it is done, it is told to stop, or nobody reads.
async fn shown(
    show: &ShowArgs,
    database: &DatabaseArgs,
    what: impl AsyncFnOnce(&Screen) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stop = service::signals::stop_token()?;
    let output = Output::standard();
    let look = Look { colours: output.colours(show.color), zone: zone::zone(show.utc) };
    let screen = Screen { pool: crate::store::pool::open(database)?, output, format: show.output, look };
    let ended = tokio::select! {
        ended = what(&screen) => ended,
        () = screen.output.gone() => Ok(()),
        () = stop.cancelled() => Ok(()),
    };
    screen.output.finish().await.context("cannot write to standard output")?;
    match ended {
        // A reader that has gone has what it wanted.
        Err(error) if error.is::<Closed>() => Ok(()),
        ended => ended,
    }
}

async fn list_all(args: &ListArgs, screen: &Screen) -> anyhow::Result<()> {
    let mut table = Table::new(&table::LETTERS, screen.look.clone());
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut query =
        DeadLetterQuery { classes: args.class.clone(), with_resolved: args.all, before: args.before, limit: PAGE.min(limit) };
    let mut told = 0;
    loop {
        let page = list(&screen.pool, &query).await.context("the dead letters cannot be read")?;
        told += page.letters.len();
        let text = match screen.format {
            Format::Json => page.letters.iter().map(|letter| json_line(&view::summary(letter))).collect(),
            Format::Text => table.render(
                &page.letters.iter().map(|letter| table::letter(letter, &screen.look)).collect::<Vec<_>>(),
                screen.output.width(),
            ),
        };
        screen.output.write(text).await?;
        let more = page.next.filter(|_| told < limit);
        if more.is_none() {
            if let Some(next) = page.next.filter(|_| screen.format == Format::Text) {
                notice(&format!("-- there are more; go on with --before {next}"));
            }
            break;
        }
        query.before = more;
        query.limit = PAGE.min(limit - told);
    }
    if told == 0 && screen.format == Format::Text {
        notice("-- no dead letter");
    }
    Ok(())
}

async fn show(args: &ShowLetterArgs, screen: &Screen) -> anyhow::Result<()> {
    let found = at(&screen.pool, args.cursor).await.context("the dead letters cannot be read")?;
    anyhow::ensure!(!found.is_empty(), "there is no dead letter at {}; `dead-letters list` shows those there are", args.cursor);
    let mut text = String::new();
    for letter in &found {
        match screen.format {
            Format::Json => text.push_str(&json_line(&view::whole(letter))),
            Format::Text => text.push_str(&table::whole(letter, &screen.look)),
        }
    }
    Ok(screen.output.write(text).await?)
}

/// The body alone: of a person's own choice, so whatever it holds.
async fn raw(args: &ShowLetterArgs) -> anyhow::Result<()> {
    let pool = crate::store::pool::open(&args.database)?;
    let found = at(&pool, args.cursor).await.context("the dead letters cannot be read")?;
    let [letter] = &found[..] else {
        anyhow::bail!("there are {} dead letters at {}, so none is shown alone", found.len(), args.cursor);
    };
    let mut out = std::io::stdout().lock();
    out.write_all(&letter.payload).and_then(|()| out.flush()).context("cannot write to standard output")
}

async fn retry_all(args: &RetryArgs, screen: &Screen) -> anyhow::Result<()> {
    let mut table = Table::new(&table::RETRIED, screen.look.clone());
    let mut dead = 0_usize;
    let mut done = 0_usize;
    for cursor in &args.cursor {
        let found = at(&screen.pool, *cursor).await.context("the dead letters cannot be read")?;
        if found.is_empty() {
            dead += 1;
            tell(screen, &mut table, *cursor, &Retried::Never(Never::Missing)).await?;
        }
        for letter in found {
            done += 1;
            dead += usize::from(!retry_one(args, screen, &mut table, &letter.summary).await?);
        }
    }
    if args.cursor.is_empty() {
        let mut query = DeadLetterQuery { classes: args.class.clone(), limit: PAGE, ..DeadLetterQuery::default() };
        loop {
            let page = list(&screen.pool, &query).await.context("the dead letters cannot be read")?;
            // What was discarded is left alone, unless it was asked for.
            for letter in page.letters.iter().filter(|letter| !args.every || letter.discarded_to().is_none()) {
                done += 1;
                dead += usize::from(!retry_one(args, screen, &mut table, letter).await?);
            }
            query.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
    }
    if done == 0 && screen.format == Format::Text {
        notice("-- no dead letter to retry");
    }
    anyhow::ensure!(dead == 0, "{dead} of {} cannot be stored", done.max(dead));
    Ok(())
}

/// Whether what it says is a message now.
async fn retry_one(args: &RetryArgs, screen: &Screen, table: &mut Table, letter: &DeadLetterSummary) -> anyhow::Result<bool> {
    let cursor = letter.cursor;
    let place = Letter { cursor, stored_at: letter.created_at.moment() };
    let retried =
        retry(&screen.pool, place, args.dry_run).await.with_context(|| format!("dead letter {cursor} cannot be retried now"))?;
    tell(screen, table, cursor, &retried).await?;
    Ok(matches!(retried, Retried::Stored | Retried::There | Retried::Never(Never::Resolved)))
}

async fn tell(screen: &Screen, table: &mut Table, cursor: Cursor, retried: &Retried) -> anyhow::Result<()> {
    let (result, class, why) = view::retried(retried);
    let text = match screen.format {
        Format::Json => json_line(&json!({ "cursor": cursor.to_string(), "result": result, "class": class, "why": why })),
        Format::Text => {
            let class = class.unwrap_or_default();
            let why = if class.is_empty() { why.to_owned() } else { format!("{class}: {why}") };
            let cells = vec![cursor.to_string(), result.to_owned(), visible::line(&why).into_owned()];
            table.render(&[cells], screen.output.width())
        }
    };
    Ok(screen.output.write(text).await?)
}

fn json_line(value: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "texts, numbers and JSON values always serialise")]
    let line = serde_json::to_string(value).expect("a dead letter serialises");
    format!("{}\n", visible::json(&line))
}
