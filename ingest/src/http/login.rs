//! Signing in: a page that takes a token into the reader's cookie, and lets them give it back.
//!
//! These are the only requests that change something, in the reader's own browser. A page of another site can make a browser
//! send one as well, and sign somebody in as another: the browser says where a request comes from, and only this site's own
//! are taken.

use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, ORIGIN, SET_COOKIE};
use hyper::{Method, Request, StatusCode, Uri};

use super::answer::{self, Answer};
use super::problem::Problem;
use super::query::{self, Query};
use super::{Server, host};
use crate::access::token::Token;
use crate::access::{Unavailable, cookie};
use crate::pages::login::{self, Said};

/// Where somebody signs in.
pub(super) const IN: &str = "/login";
/// Where they sign out.
pub(super) const OUT: &str = "/logout";
/// Where they go without being sent anywhere.
const HOME: &str = "/agents";

/// The longest form: a token and a link.
const LONGEST: usize = 16 * 1024;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The page that leads here and back again.
pub(super) fn link(uri: &Uri) -> String {
    let back = uri.path_and_query().map_or(HOME, hyper::http::uri::PathAndQuery::as_str);
    format!("{IN}?next={}", query::encode(back))
}

/// Answers what is asked of these two paths.
pub(super) async fn answer(server: &Server, request: Request<Incoming>) -> Answer {
    let is_in = request.uri().path() == IN;
    match (request.method(), is_in) {
        (&Method::GET | &Method::HEAD, true) => show(server, &request).await,
        (&Method::POST, true) => sign_in(server, request).await.unwrap_or_else(|problem| answer::problem(&problem)),
        (&Method::POST, false) => sign_out(&request).unwrap_or_else(|problem| answer::problem(&problem)),
        (method, _) => answer::problem(&Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("`{method}` is not served here; a form is sent by POST"),
        )),
    }
}

async fn show(server: &Server, request: &Request<Incoming>) -> Answer {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let next = query.first("next").filter(|next| is_of_here(next));
    let known = match cookie::token(request.headers()) {
        Some(token) => server.access.knows(&token).await.unwrap_or(false),
        None => false,
    };
    match (known, next) {
        (true, Some(next)) => answer::redirect(next),
        (true, None) => answer::html(login::render(HOME, Said::Known)),
        (false, next) => answer::html(login::render(next.unwrap_or(HOME), Said::Nothing)),
    }
}

async fn sign_in(server: &Server, request: Request<Incoming>) -> Result<Answer, Problem> {
    check_origin(request.uri(), request.headers())?;
    let form = read(request).await?;
    let next = form.first("next").filter(|next| is_of_here(next)).unwrap_or(HOME);
    let again = |status, said| {
        let mut answer = answer::html(login::render(next, said));
        *answer.status_mut() = status;
        Ok(answer)
    };
    let Some(token) = form.first("token").map(str::trim).and_then(Token::new) else {
        return again(StatusCode::UNAUTHORIZED, Said::Unknown);
    };
    match server.access.knows(&token).await {
        Ok(true) => {}
        Ok(false) => return again(StatusCode::UNAUTHORIZED, Said::Unknown),
        Err(Unavailable) => return again(StatusCode::SERVICE_UNAVAILABLE, Said::Unavailable),
    }
    let Some(kept) = cookie::keep(&token, SystemTime::now()) else {
        return again(StatusCode::PAYLOAD_TOO_LARGE, Said::TooLong);
    };
    let mut answer = answer::redirect(next);
    answer.headers_mut().insert(SET_COOKIE, kept);
    Ok(answer)
}

fn sign_out(request: &Request<Incoming>) -> Result<Answer, Problem> {
    check_origin(request.uri(), request.headers())?;
    let mut answer = answer::redirect(IN);
    answer.headers_mut().insert(SET_COOKIE, cookie::forget());
    Ok(answer)
}

/// Takes a form from a page of this very site alone.
fn check_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let own = host::of(uri, headers);
    let is_own = |origin: &str| match origin.split_once("://") {
        Some(("https", name)) => name.eq_ignore_ascii_case(own),
        Some(("http", name)) => name.eq_ignore_ascii_case(own) && host::is_loopback(name),
        _ => false,
    };
    if site.is_none_or(|site| site == "same-origin") && text(ORIGIN).is_some_and(is_own) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "this form was not sent by a page of this site over https; open /login here, and let a proxy pass `Host` on as it is",
    ))
}

async fn read(request: Request<Incoming>) -> Result<Query, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a form is sent as application/x-www-form-urlencoded"));
    }
    let body = match tokio::time::timeout(PATIENCE, Limited::new(request.into_body(), LONGEST).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the form has more than 16 KiB"));
        }
        Ok(Err(_)) => return Err(Problem::bad_request("the form broke off")),
        Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the form did not come within 10 s")),
    };
    Ok(Query::parse(&String::from_utf8_lossy(&body)))
}

/// Whether a link leads to this site whatever a browser makes of it.
fn is_of_here(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && ![IN, OUT].iter().any(|path| next.starts_with(path))
}

#[cfg(test)]
mod tests;
