//! What a request asks for, read from its query. A value that has no meaning is refused, never guessed.

use hyper::StatusCode;
use message::Timestamp;
use time::{Duration, OffsetDateTime};

use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::http::State;
use crate::http::problem::Problem;
use crate::http::query::Query;

/// Runs that one stream may follow, the shared channel counted.
const MOST_RUNS: usize = 20;
/// Longer than this nobody writes one by hand.
const LONGEST_REGEX: usize = 500;

/// The choice of an event stream: runs, the channel, or both.
///
/// # Errors
/// When neither is named, when too many are, or when the channel is not known.
pub fn stream_filter(query: &Query) -> Result<Filter, Problem> {
    let runs: Vec<String> = query.all("runId").chain(query.all("workflowUid")).map(ToOwned::to_owned).collect();
    for channel in query.all("channel") {
        channel_named(channel)?;
    }
    let general = query.first("channel").is_some();
    if runs.is_empty() && !general {
        return Err(Problem::bad_request("one of runId, workflowUid or channel is required"));
    }
    if runs.len() + usize::from(general) > MOST_RUNS {
        return Err(Problem::bad_request(format!("a stream follows at most {MOST_RUNS} runs; open another for the rest")));
    }
    Ok(Filter { runs, general, ..narrowing(query) })
}

/// What narrows a list: namespace, kinds, agents, roles, steps, stages. Not the text, which live streams do not take.
#[must_use]
pub fn narrowing(query: &Query) -> Filter {
    let owned = |name: &str| query.all(name).map(ToOwned::to_owned).collect::<Vec<_>>();
    Filter {
        namespace: query.first("namespace").map(ToOwned::to_owned),
        kinds: query.all("kind").map(str::to_lowercase).collect(),
        agents: owned("agent"),
        roles: query.all("role").map(str::to_lowercase).collect(),
        steps: owned("step"),
        stages: owned("stage"),
        ..Filter::default()
    }
}

/// The same for history, which is searched too, and may be bounded by when the stream stored a message.
///
/// # Errors
/// When a time is none, or a regular expression too long.
pub fn searching(query: &Query) -> Result<Filter, Problem> {
    let now = OffsetDateTime::now_utc();
    let text = query.first("q").map(ToOwned::to_owned);
    let without = query.all("not").map(ToOwned::to_owned).collect();
    let regex = query.first("regex").map(ToOwned::to_owned);
    if regex.as_ref().is_some_and(|regex| regex.len() > LONGEST_REGEX) {
        return Err(Problem::bad_request(format!("`regex` is longer than {LONGEST_REGEX} bytes")));
    }
    let (since, until) = (moment(query, "since", now)?, moment(query, "until", now)?);
    Ok(Filter { text, without, regex, since, until, ..narrowing(query) })
}

/// A moment: RFC 3339, or how long ago, as in `15m`, `24h`, `7d`.
fn moment(query: &Query, name: &str, now: OffsetDateTime) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = query.first(name) else { return Ok(None) };
    let ago = || Timestamp::from_moment(now.checked_sub(ago(text)?)?);
    Timestamp::parse(text).or_else(ago).map(Some).ok_or_else(|| {
        let forms = "a time as in 2026-01-31T12:00:00Z, or how long ago as in 15m, 24h, 7d";
        Problem::bad_request(format!("`{name}` is `{text}`; it is {forms}"))
    })
}

fn ago(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|number| *number >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    Some(Duration::seconds(number.checked_mul(seconds)?))
}

/// Whether a channel exists: the one that all runs share.
///
/// # Errors
/// When it does not.
pub fn channel_named(channel: &str) -> Result<(), Problem> {
    if channel == message::GENERAL_CHANNEL {
        return Ok(());
    }
    Err(Problem::bad_request(format!("no channel `{channel}`; the channel is `{}`", message::GENERAL_CHANNEL)))
}

/// Refuses whoever may not read the shared channel. That there is one is no secret.
///
/// # Errors
/// When they may not, or that is not known.
pub async fn channel_readable(state: &State) -> Result<(), Problem> {
    if state.viewer.may_read_general().await? {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "you may not read the shared channel; it takes a role with `get` on `agentchannels` named `general` in `agent-comms.dev`",
    ))
}

/// How many: by default, and at most, as said.
///
/// # Errors
/// When it is no number.
pub fn limit(query: &Query, name: &str, (default, most): (usize, usize)) -> Result<usize, Problem> {
    let Some(text) = query.first(name) else { return Ok(default) };
    let number: usize = text
        .parse()
        .map_err(|_| Problem::bad_request(format!("`{name}` is `{text}`, not a whole number; the most is {most}")))?;
    Ok(number.min(most))
}

/// A position.
///
/// # Errors
/// When it is none.
pub fn cursor(query: &Query, name: &str) -> Result<Option<Cursor>, Problem> {
    let parse = |text: &str| text.parse().map_err(|error| Problem::bad_request(format!("`{name}`: {error}")));
    query.first(name).map(parse).transpose()
}

/// A position that stands in a path.
///
/// # Errors
/// When it is none.
pub fn position(cursor: &str) -> Result<Cursor, Problem> {
    cursor.parse().map_err(|error: crate::cursor::CursorError| Problem::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests;
