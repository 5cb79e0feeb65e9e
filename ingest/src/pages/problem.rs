//! A page that cannot be shown: why, and the way out. One that could be shown later comes by itself.

use hyper::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::layout::{self, Here, Shell, Visit};
use super::{list, rights};
use crate::http::problem::Problem;
use crate::http::query::Query;

/// Where it was met.
pub struct Place<'a> {
    /// The path of the page.
    pub path: &'a str,
    /// Its query.
    pub query: &'a Query,
}

/// The page of a problem.
#[must_use]
pub fn render(problem: &Problem, place: &Place<'_>, visit: &Visit) -> String {
    let title = title(problem.status, place.query);
    let comes_back = comes_back(problem, place.query);
    layout::page(&Shell {
        here: here(place.path),
        title,
        visit,
        heading: html! { h1.hidden { (title) } },
        actions: if comes_back {
            layout::connection()
        } else {
            html! {}
        },
        filters: html! {},
        main: layout::empty(title, &told(problem, place, visit), None),
        style: "timeline.css",
        script: comes_back.then_some("again.js"),
    })
}

/// A search that took too long would take as long again: it is left to its reader.
fn comes_back(problem: &Problem, query: &Query) -> bool {
    problem.status == StatusCode::SERVICE_UNAVAILABLE && !searches(query)
}

fn searches(query: &Query) -> bool {
    ["q", "not", "regex"].iter().any(|name| query.first(name).is_some())
}

fn told(problem: &Problem, place: &Place<'_>, visit: &Visit) -> Markup {
    let Place { path, query } = place;
    let bare = list::cleared(query).without("state");
    let namespaces = problem.members.get("namespaces").and_then(Value::as_array);
    let choices = namespaces.into_iter().flatten().filter_map(Value::as_str);
    let is_narrowed = bare.without("filters") != query.without("filters") && problem.status != StatusCode::CONFLICT;
    html! {
        @if problem.status == StatusCode::CONFLICT {
            p { "Each is in another namespace. Which one is it?" }
        } @else {
            p { (words(&sentence(&problem.detail))) }
        }
        @if comes_back(problem, query) { p { "Nothing is lost meanwhile: this page is asked for again until it comes." } }
        ul {
            @for namespace in choices { li { a href=(query.without("namespace").and("namespace", namespace).link(path)) { (namespace) } } }
        }
        @if problem.status == StatusCode::FORBIDDEN && let Some(name) = &visit.name {
            p { "You are " b { (name) } ". Somebody who administers the cluster can let you read it:" }
            (layout::command(&rights::in_channel(name)))
        }
        p.ways {
            @if problem.status == StatusCode::SERVICE_UNAVAILABLE { a href=(query.link(path)) { "Try again" } " · " }
            @if is_narrowed { a href=(bare.link(path)) { "Without filters" } " · " }
            a href="/agents" { "All runs" }
        }
    }
}

/// A text in which what stands between back-ticks is code.
fn words(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn title(status: StatusCode, query: &Query) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE if searches(query) => "This search was not answered",
        StatusCode::BAD_REQUEST => "This link cannot be read",
        StatusCode::UNAUTHORIZED => "It is not known who you are",
        StatusCode::FORBIDDEN => "You may not read this",
        StatusCode::NOT_FOUND => "Nothing is here",
        StatusCode::CONFLICT => "Several runs have this id",
        StatusCode::SERVICE_UNAVAILABLE => "Not to be had at the moment",
        other => other.canonical_reason().unwrap_or("Something is wrong"),
    }
}

fn here(path: &str) -> Here {
    match path {
        "/agents" => Here::Runs,
        "/agents/general" => Here::General,
        _ => Here::Elsewhere,
    }
}

/// Details are written to stand after others; here they stand alone, and a link says to try again.
fn sentence(detail: &str) -> String {
    let detail = detail.strip_suffix("; try again").unwrap_or(detail);
    let mut characters = detail.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if detail.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}
