//! Which answer belongs to a request.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode, Version};

use super::answer::{self, Answer};
use super::problem::Problem;
use super::query::{Query, decode};
use super::routes::{self, Found, Operation};
use super::{Server, State, host, login, metrics, sent};
use crate::access::guard::Refused;
use crate::api::export::Form;
use crate::pages::layout::Visit;
use crate::pages::problem::Place;
use crate::{api, openapi, pages};

/// Headers of a request.
const MOST_HEADERS: usize = 100;

/// Answers a request of somebody at this address.
pub(super) async fn answer(server: &Server, peer: IpAddr, busy: Arc<()>, request: Request<Incoming>) -> Answer {
    let is_form = matches!(request.uri().path(), login::IN | login::OUT) && server.access.has_login();
    let is_last = request.version() == Version::HTTP_11 && server.state.drain.stop.is_cancelled();
    let mut answer = match refuse(server, &request, is_form) {
        Some(problem) => answer::problem(&problem),
        None if is_form => match server.state.limits.stranger() {
            Ok(_place) => metrics::asked(login::answer(server, request).await, "login"),
            Err(problem) => answer::problem(&problem),
        },
        None => Box::pin(enter(server, peer, busy, &request)).await,
    };
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = if is_form { "GET, HEAD, POST" } else { "GET, HEAD" };
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    }
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if is_last {
        // What comes next is for another server.
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer::secure(answer.headers_mut());
    server.requests.count(&mut answer);
    answer
}

fn refuse(server: &Server, request: &Request<Incoming>, is_form: bool) -> Option<Problem> {
    let host = host::of(request.uri(), request.headers());
    if server.only_loopback && !host::is_loopback(host) {
        return Some(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!("`{host}` is not served here; an open server answers to localhost, 127.0.0.1 and [::1] alone"),
        ));
    }
    // HTTP/1.1 has this limit of its own accord.
    if request.headers().len() > MOST_HEADERS {
        let detail = format!("a request has at most {MOST_HEADERS} headers here");
        return Some(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
    }
    if is_form {
        return None;
    }
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        let detail = format!("`{method}` is not served here; this API only reads");
        return Some(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail));
    }
    (!request.body().is_end_stream()).then(|| Problem::bad_request("a request has no body here"))
}

/// Lets somebody in, and answers what they ask.
async fn enter(server: &Server, peer: IpAddr, busy: Arc<()>, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if path.starts_with("/assets/") {
        return metrics::asked(pages::assets::answer(path).unwrap_or_else(|| missing(path)), "asset");
    }
    let admitted = {
        let mut admitting = pin!(server.access.admit(peer, request.headers()));
        // Who is known is let in whoever else is being asked about.
        match futures_util::poll!(admitting.as_mut()) {
            Poll::Ready(admitted) => admitted,
            Poll::Pending => match server.state.limits.stranger() {
                Ok(_place) => admitting.await,
                Err(problem) => return answer::problem(&problem),
            },
        }
    };
    match admitted {
        Ok(viewer) => {
            let state = server.state.for_viewer(viewer, busy);
            serve(&state, request).await.unwrap_or_else(|problem| answer::problem(&problem))
        }
        Err(refused) => turn_away(server, refused, request),
    }
}

/// Answers within what one user may have, and all together. A stream has a place of its own by now.
async fn serve(state: &State, request: &Request<Incoming>) -> Result<Answer, Problem> {
    let place = state.limits.request(state.viewer.id())?;
    let segments: Vec<String> = request.uri().path().split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let found = routes::find(&segments);
    if found.as_ref().is_some_and(|found| found.route.operation.is_stream()) {
        return Ok(route(state, request, &segments, found).await);
    }
    let room = state.limits.room().await?;
    let answer = route(state, request, &segments, found).await;
    let length = answer.body().size_hint().lower();
    let held = state.limits.hold(state.viewer.id(), place, room, length).await?;
    Ok(sent::holding(answer, held))
}

/// Programs are told what to show, people are shown where to sign in: a stream is never sent elsewhere.
fn turn_away(server: &Server, refused: Refused, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path();
    let is_page = path == "/" || path == "/agents" || path.starts_with("/agents/");
    let (problem, challenge) = match refused {
        Refused::Unavailable => (Problem::from(crate::access::Unavailable), None),
        Refused::Unknown { .. } if is_page && server.access.has_login() => return answer::redirect(&login::link(request.uri())),
        Refused::Unknown { shown: false } => (
            Problem::new(StatusCode::UNAUTHORIZED, "it is not known who asks; show a token"),
            Some("Bearer realm=\"agent-comms\""),
        ),
        Refused::Unknown { shown: true } => (
            Problem::new(StatusCode::UNAUTHORIZED, "the token is not taken: it has ended, is for another audience, or is none"),
            Some("Bearer realm=\"agent-comms\", error=\"invalid_token\""),
        ),
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let mut answer =
        if is_page { page_of(&problem, &Place { path, query: &query }, &Visit::default()) } else { answer::problem(&problem) };
    if let Some(challenge) = challenge {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    answer
}

async fn route(state: &State, request: &Request<Incoming>, segments: &[&str], found: Option<Found<'_>>) -> Answer {
    let path = request.uri().path();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    if let Some(found) = found {
        let answer = api_answer(state, &found, &query, request).await.unwrap_or_else(|problem| answer::problem(&problem));
        return metrics::asked(answer, found.route.id);
    }
    let page = match *segments {
        [] => return answer::redirect("/agents"),
        ["agents"] => pages::show::runs(state, &query).await,
        ["agents", "general"] => pages::show::general(state, &query).await,
        ["agents", "messages", cursor, part] => pages::show::body(state, cursor, part, &query).await,
        ["agents", run] => pages::show::run(state, run, &query).await,
        ["api", ..] => return missing(path),
        _ => Err(Problem::not_found(format!("nothing is at `{path}`"))),
    };
    let page = page.unwrap_or_else(|problem| page_of(&problem, &Place { path, query: &query }, &Visit::of(state)));
    metrics::asked(page, "page")
}

fn page_of(problem: &Problem, place: &Place<'_>, visit: &Visit) -> Answer {
    let mut answer = answer::html(pages::problem::render(problem, place, visit));
    *answer.status_mut() = problem.status;
    answer
}

async fn api_answer(state: &State, found: &Found<'_>, query: &Query, request: &Request<Incoming>) -> Result<Answer, Problem> {
    // Every path has as many parts as its route says.
    let part = found.parts.first().copied().unwrap_or_default();
    match found.route.operation {
        Operation::Events => api::events::messages(state, query, request.headers()).await,
        Operation::RunEvents => api::events::runs(state, query),
        Operation::Runs => api::runs::list(state, query).await,
        Operation::Run => api::runs::one(state, part, query).await,
        Operation::RunMessages => api::messages::of_run(state, part, query).await,
        Operation::RunExport => api::export::of_run(state, part, query, Form::Lines).await,
        Operation::RunMarkdown => api::export::of_run(state, part, query, Form::Markdown).await,
        Operation::ChannelMessages => api::messages::of_channel(state, part, query).await,
        Operation::ChannelExport => api::export::of_channel(state, part, query, Form::Lines).await,
        Operation::ChannelMarkdown => api::export::of_channel(state, part, query, Form::Markdown).await,
        Operation::Message => api::messages::around(state, part, query).await,
        Operation::MessageContent => api::messages::content(state, part, query).await,
        Operation::DeadLetters => api::dead_letters::list(state, query).await,
        Operation::DeadLetter => api::dead_letters::at(state, part).await,
        Operation::Document => Ok(answer::json(openapi::text())),
    }
}

fn missing(path: &str) -> Answer {
    answer::problem(&Problem::not_found(format!("nothing is at `{path}`")))
}
