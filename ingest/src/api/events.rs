//! The event streams.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt as _};
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use message::Timestamp;
use serde_json::json;
use time::OffsetDateTime;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::{parameters, run, runs as api_runs};
use crate::access::reader::Reader;
use crate::access::{Unavailable, Viewer};
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::session::Session;
use crate::http::{State, sse};
use crate::live::{Event, Frame, Hub, Page, RunChanges, Start, Subscription, View};
use crate::pages;
use crate::pages::row::Place;
use crate::read::runs::RunSummary;

/// A stream begins with this many messages unless it says otherwise, and with this many at most.
pub const LIMITS: (usize, usize) = (500, 1_000);

/// Events are put together up to about this size; a larger one leaves as it is, without being copied. Two of these are what a
/// connection takes before it writes.
const TOGETHER: usize = 16 * 1024;

/// `GET /api/agents/events`: messages of runs and of the shared channel.
pub async fn messages(state: &State, query: &Query, headers: &HeaderMap) -> Result<Answer, Problem> {
    let filter = parameters::stream_filter(query)?;
    let start = start(query, headers)?;
    let view = view(query, &filter)?;
    if filter.general {
        parameters::channel_readable(state).await?;
    }
    let session = state.session()?;
    let reader = Reader::new(state.viewer.clone(), &filter);
    let hidden = match start {
        Start::Newest(_) => api_runs::hidden(state, &filter.runs).await?,
        Start::After(_) => Vec::new(),
    };
    let subscription = state.live.subscribe(filter, start).without(hidden);
    let heartbeat = state.live.heartbeat();
    let subscription = Readable { subscription, reader, told: Instant::now(), heartbeat };
    let live = state.live.clone();
    let events = stream::unfold((subscription, live), move |(mut subscription, live)| async move {
        let bytes = match subscription.next().await? {
            Told::Page(page) => live.events(&page, view),
            Told::Event(event) => together(&mut subscription, bytes_of(&live, &event, view), &live, view),
        };
        Some((bytes, (subscription, live)))
    });
    Ok(event_stream(session, events))
}

/// An event, and with it what is in hand already while it is small: fewer and fuller packets for who catches up.
fn together(subscription: &mut Readable, first: Bytes, live: &Hub, view: View) -> Bytes {
    if first.len() >= TOGETHER {
        return first;
    }
    let Some(second) = subscription.in_hand() else { return first };
    let mut together = BytesMut::with_capacity(TOGETHER + first.len());
    together.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(event) = next {
        together.extend_from_slice(&bytes_of(live, &event, view));
        next = if together.len() < TOGETHER { subscription.in_hand() } else { None };
    }
    together.freeze()
}

/// `GET /api/agents/runs/events`: runs as they change.
pub fn runs(state: &State, query: &Query) -> Result<Answer, Problem> {
    let session = state.session()?;
    let rows = query.first("view") == Some("rows");
    let heartbeat = state.live.heartbeat();
    let changes = (state.live.runs(), state.viewer.clone());
    let changes = stream::unfold(changes, move |(mut changes, viewer)| async move {
        let bytes = match next_run(&mut changes, &viewer, heartbeat).await {
            Ok(Some(run)) if rows => {
                let now = Timestamp::new(OffsetDateTime::now_utc());
                sse::named_text("run", &pages::runs::row(&run, now).into_string())
            }
            Ok(Some(run)) => sse::named("run", None, &run::data(&run)),
            Ok(None) => return None,
            Err(_) => Bytes::from_static(sse::HEARTBEAT),
        };
        Some((bytes, (changes, viewer)))
    });
    Ok(event_stream(session, changes))
}

/// The next run that changed and may be read, in time for a heartbeat.
async fn next_run(changes: &mut RunChanges, viewer: &Viewer, heartbeat: Duration) -> Result<Option<Arc<RunSummary>>, Elapsed> {
    let heartbeat = Instant::now() + heartbeat;
    loop {
        let Some(run) = timeout_at(heartbeat, changes.next()).await? else { return Ok(None) };
        match viewer.may_read(&run.namespace).await {
            Ok(true) => return Ok(Some(run)),
            Ok(false) => {}
            Err(Unavailable) => return Ok(None),
        }
    }
}

/// What a stream is told.
enum Told {
    /// Messages that came together.
    Page(Arc<Page>),
    Event(Event),
}

/// The events of a subscription without messages that may not be read.
struct Readable {
    subscription: Subscription,
    reader: Reader,
    /// When something was told last.
    told: Instant,
    heartbeat: Duration,
}

impl Readable {
    /// The next event, where nothing has to be waited for nor asked.
    fn in_hand(&mut self) -> Option<Event> {
        let Self { subscription, reader, .. } = self;
        subscription.in_hand_if(|event| match event {
            Event::Message(frame) => reader.is_known_to_read(&frame.stored),
            _ => true,
        })
    }

    /// What comes next; nothing when the process stops, or when it cannot be known any more what may be read.
    async fn next(&mut self) -> Option<Told> {
        loop {
            self.subscription.ready().await?;
            let Self { subscription, reader, .. } = self;
            let is_readable = |frames: &[Arc<Frame>]| frames.iter().all(|frame| reader.is_known_to_read(&frame.stored));
            let told = match subscription.page_if(is_readable) {
                Some(page) => Told::Page(page),
                None => match subscription.next().await? {
                    Event::Message(frame) if !reader.may_read(&frame.stored).await.ok()? => {
                        if self.told.elapsed() < self.heartbeat {
                            continue;
                        }
                        // Where others talk all the time, this is all that is heard.
                        Told::Event(Event::Heartbeat(frame.cursor))
                    }
                    event => Told::Event(event),
                },
            };
            self.told = Instant::now();
            return Some(told);
        }
    }
}

/// Where a stream begins. What a browser says it saw last wins over the link, which is as old as the page. A position that
/// is none belongs to no life of the stream, and is answered as one from another life: with a reset.
fn start(query: &Query, headers: &HeaderMap) -> Result<Start, Problem> {
    let last = headers.get("last-event-id").filter(|id| !id.is_empty());
    if let Some(last) = last {
        let cursor = last.to_str().ok().and_then(|text| text.parse().ok());
        return Ok(Start::After(cursor.unwrap_or(Cursor { epoch: 0, sequence: 0 })));
    }
    if let Some(cursor) = parameters::cursor(query, "after")? {
        return Ok(Start::After(cursor));
    }
    Ok(Start::Newest(parameters::limit(query, "limit", LIMITS)?))
}

fn view(query: &Query, filter: &Filter) -> Result<View, Problem> {
    let place = if filter.general { Place::General } else { Place::Run };
    match query.first("view") {
        None | Some("json") => Ok(View::Json),
        Some("rows") => Ok(View::Rows(place)),
        Some("tabs") => Ok(View::Tabs(place)),
        Some(other) => Err(Problem::bad_request(format!("`view` is `{other}`; it is json, rows or tabs"))),
    }
}

fn bytes_of(live: &Hub, event: &Event, view: View) -> Bytes {
    match event {
        Event::Message(frame) => live.event(frame, view),
        Event::CaughtUp(cursor) => sse::named("caught_up", Some(cursor), &json!({ "cursor": cursor.to_string() })),
        Event::Heartbeat(cursor) => sse::heartbeat(cursor),
        Event::Reset { reason, cursor } => {
            sse::named("reset", Some(cursor), &json!({ "reason": reason, "cursor": cursor.to_string() }))
        }
        Event::Degraded => sse::named("status", None, &json!({ "status": "degraded" })),
    }
}

fn event_stream(session: Session, events: impl Stream<Item = Bytes> + Send + 'static) -> Answer {
    let events = events.take_until(Box::pin(session.ended()));
    let begin = stream::iter([Bytes::from_static(sse::RETRY)]);
    let end = stream::once(async { sse::last_words() });
    let parts: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>> = Box::pin(begin.chain(events).chain(end).map(Ok));
    let mut answer = answer::stream("text/event-stream", parts);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Asks proxies to pass each event on as it comes.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    answer
}

#[cfg(test)]
mod tests;
