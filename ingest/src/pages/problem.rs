//! A page that cannot be shown, and why.

use maud::html;
use serde_json::Value;

use super::layout::{self, Here, Shell, Visit};
use crate::http::problem::Problem;
use crate::http::query;

/// The page of a problem met at `path`.
#[must_use]
pub fn render(problem: &Problem, path: &str) -> String {
    let title = problem.status.canonical_reason().unwrap_or("Problem");
    let namespaces = problem.members.get("namespaces").and_then(Value::as_array);
    let choices = namespaces.into_iter().flatten().filter_map(Value::as_str);
    layout::page(&Shell {
        here: Here::Run,
        title,
        visit: &Visit::default(),
        heading: html! { h1.hidden { (title) } },
        actions: html! {},
        filters: html! {},
        main: layout::empty(
            title,
            &html! {
                p { (problem.detail) }
                ul {
                    @for namespace in choices {
                        li { a href=(query::Query::default().and("namespace", namespace).link(path)) { (namespace) } }
                    }
                }
                p { a href="/agents" { "All runs" } }
            },
            None,
        ),
        style: "timeline.css",
        script: None,
    })
}
