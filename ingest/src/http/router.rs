//! Which answer belongs to a request.

use hyper::body::Incoming;
use hyper::header::{ALLOW, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};

use super::answer::{self, Answer};
use super::problem::Problem;
use super::query::{Query, decode};
use super::routes::{self, Found, Operation};
use super::{State, host};
use crate::{api, openapi, pages};

/// Answers a request. Over loopback only names of this machine are answered.
pub(super) async fn answer(state: &State, loopback: bool, request: Request<Incoming>) -> Answer {
    let mut answer = match refuse(&request, loopback) {
        Some(problem) => answer::problem(&problem),
        None => route(state, &request).await,
    };
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer::secure(answer.headers_mut());
    answer
}

fn refuse(request: &Request<Incoming>, loopback: bool) -> Option<Problem> {
    let of_header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(hyper::http::uri::Authority::as_str).or_else(of_header).unwrap_or_default();
    if loopback && !host::is_loopback(host) {
        return Some(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!("`{host}` is not served here; an open server answers to localhost, 127.0.0.1 and [::1] alone"),
        ));
    }
    let method = request.method();
    (method != Method::GET && method != Method::HEAD)
        .then(|| Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{method}` is not served here; this API only reads")))
}

async fn route(state: &State, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let Some(found) = routes::find(&segments) {
        return api_answer(state, &found, &query, request).await.unwrap_or_else(|problem| answer::problem(&problem));
    }
    let page = match segments[..] {
        [] => return answer::redirect("/agents"),
        ["agents"] => pages::show::runs(state, &query).await,
        ["agents", "general"] => pages::show::general(state, &query).await,
        ["agents", run] => pages::show::run(state, run, &query).await,
        ["assets", _] => return pages::assets::answer(path).unwrap_or_else(|| missing(path)),
        ["api", ..] => return missing(path),
        _ => Err(Problem::not_found(format!("nothing is at `{path}`"))),
    };
    page.unwrap_or_else(|problem| {
        let mut answer = answer::html(pages::problem::render(&problem, path));
        *answer.status_mut() = problem.status;
        answer
    })
}

async fn api_answer(state: &State, found: &Found<'_>, query: &Query, request: &Request<Incoming>) -> Result<Answer, Problem> {
    // Every path has as many parts as its route says.
    let part = found.parts.first().copied().unwrap_or_default();
    match found.route.operation {
        Operation::Events => api::events::messages(state, query, request.headers()),
        Operation::RunEvents => Ok(api::events::runs(state, query)),
        Operation::Runs => api::runs::list(state, query).await,
        Operation::Run => api::runs::one(state, part, query).await,
        Operation::RunMessages => api::messages::of_run(state, part, query).await,
        Operation::RunExport => api::export::of_run(state, part, query).await,
        Operation::ChannelMessages => api::messages::of_channel(state, part, query).await,
        Operation::ChannelExport => api::export::of_channel(state, part, query).await,
        Operation::Message => api::messages::around(state, part, query).await,
        Operation::MessageContent => api::messages::content(state, part, query).await,
        Operation::Document => Ok(answer::json(openapi::text())),
    }
}

fn missing(path: &str) -> Answer {
    answer::problem(&Problem::not_found(format!("nothing is at `{path}`")))
}
