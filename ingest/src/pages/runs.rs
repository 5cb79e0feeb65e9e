//! The list of runs.

use maud::{Markup, html};
use message::Timestamp;

use super::layout::{self, Here, Shell, Visit};
use super::list::Piece;
use super::rights::Limits;
use super::{choice, colour, figures, general, markdown, run};
use crate::api::event;
use crate::http::query::{self, Query};
use crate::read::runs::{RunPage, RunSummary};

const PATH: &str = "/agents";

/// The tabs of the list: their names, and the states they mean.
pub const TABS: [(&str, &[&str]); 3] = [("active", &["running", "stalled"]), ("recent", &[]), ("failed", &["failed"])];

/// More agents than this are a number.
const DOTS: usize = 6;

/// What the page shows.
pub struct View<'a> {
    /// The runs.
    pub page: &'a RunPage,
    /// The last lines of the shared channel, where they may be read.
    pub channel: Option<&'a Piece>,
    /// The query of the page: tab, search, place.
    pub query: &'a Query,
    /// What the reader may read, where that is not everything.
    pub limits: Option<&'a Limits>,
    /// How many messages could not be read or stored, for whom they may be shown.
    pub dead_letters: Option<i64>,
    /// Who reads, and how the server stands.
    pub visit: Visit,
    /// When it is shown.
    pub now: Timestamp,
}

/// The page.
#[must_use]
pub fn render(view: &View<'_>) -> String {
    let query = view.query;
    let tab = query.first("state").unwrap_or("recent");
    // New runs belong at the top of the first page; what is searched for is only kept up to date.
    let takes_new = ["before", "q", "namespace"].iter().all(|name| query.first(name).is_none());
    let new = takes_new.then(|| match TABS.iter().find(|(name, _)| *name == tab) {
        Some((_, [])) => "all".to_owned(),
        Some((_, states)) => states.join(" "),
        None => tab.to_owned(),
    });
    layout::page(&Shell {
        here: Here::Runs,
        title: "Runs",
        visit: &view.visit,
        heading: html! { h1.hidden { "Runs" } },
        actions: layout::connection(),
        filters: html! {
            form.search role="search" action=(PATH) method="get" {
                input type="search" name="q" placeholder="name, run id, uid" aria-label="name, run id, uid" value=[query.first("q")];
                @if let Some(state) = query.first("state") { input type="hidden" name="state" value=(state); }
            }
            div.chips {
                @for (name, _) in TABS {
                    a class=(if name == "failed" { "chip error" } else { "chip" }) aria-current=[(name == tab).then_some("true")]
                        href=(query.without("before").without("state").and("state", name).link(PATH)) { b { (name) } }
                }
                @for namespace in query.all("namespace") { (choice::chip(PATH, query, "namespace", namespace, None)) }
            }
            @if let Some(count) = view.dead_letters.filter(|count| *count > 0) {
                a.chip.dead href="/api/agents/dead-letters" title="messages that could not be read or stored" {
                    b { (figures::count(count)) } @if count == 1 { " dead letter" } @else { " dead letters" }
                }
            }
            button.chip #updated type="button" hidden { "0 updated" }
        },
        main: html! { div.beside {
            div.list {
            @if view.page.runs.is_empty() { div #nothing { (nothing(view)) } }
            div.table #table hidden[view.page.runs.is_empty()] {
                table.runs data-stream=[query.first("before").is_none().then_some("/api/agents/runs/events?view=rows")]
                    data-new=[new] {
                    thead {
                        tr {
                            th { "State" } th { "Run" } th { "Namespace" } th { "Agents" } th.right { "Messages" }
                            th.right { "Errors" } th { "Duration" } th.last { "Last message" } th.right { "When" }
                        }
                    }
                    tbody #runs { @for run in &view.page.runs { (row(run, view.now)) } }
                }
            }
            @if let Some(next) = view.page.next {
                p.older { a href=(query.without("before").and("before", next.to_string()).link(PATH)) { "Older runs" } }
            }
            @if view.page.partial { p.notice { "Many runs were looked at, and few match: older ones may." } }
            @if let Some(limits) = view.limits.filter(|limits| !limits.is_nothing() && limits.asked.is_none()) { (limits.beside()) }
            }
            @if let Some(piece) = view.channel { (general::lines(piece)) }
        }
        },
        style: "runs.css",
        script: Some("runs.js"),
    })
}

/// The row of one run: the same in the page and in what arrives live.
#[must_use]
pub fn row(run: &RunSummary, now: Timestamp) -> Markup {
    let key = crate::read::runs::key_text(&run.key);
    html! {
        tr data-run={ (run.namespace) "/" (key) } data-last=(run.last) data-state=(run.state) {
            td { (run::state(run.state)) }
            th scope="row" { a href=(link(run)) { (name(run)) } }
            td.namespace { a href=(Query::default().and("namespace", &run.namespace).link(PATH)) { (run.namespace) } }
            td.agents title=(run.agents.keys().cloned().collect::<Vec<_>>().join(", ")) {
                @for agent in run.agents.keys().take(DOTS) { i.dot.(colour::class(agent)) {} }
                @if run.agents.len() > DOTS { small { "+" (run.agents.len() - DOTS) } }
                span.hidden { (run.agents.len()) " agents" }
            }
            td.right { (figures::count(run.messages)) }
            td.right.failed { @if run.errors > 0 { (figures::count(run.errors)) } }
            td.quiet { (figures::span(run::seconds(run))) }
            td.last {
                span { @if let Some(preview) = &run.preview {
                    @if let Some(agent) = &run.preview_agent { (agent) ": " }
                    (figures::middle_cut(&markdown::words(event::start(preview, 400)), 160))
                } }
            }
            td.right.quiet { time.ago datetime=(run.last_at) title=(run.last_at) { (figures::ago(run.last_at, now)) } }
        }
    }
}

fn name(run: &RunSummary) -> &str {
    if message::identity::names_nothing(&run.name) { &run.uid } else { &run.name }
}

fn link(run: &RunSummary) -> String {
    let id = if message::identity::names_nothing(&run.uid) { &run.name } else { &run.uid };
    Query::default().and("namespace", &run.namespace).link(&format!("{PATH}/{}", query::encode(id)))
}

fn nothing(view: &View<'_>) -> Markup {
    let query = view.query;
    if let Some(limits) = view.limits.filter(|limits| limits.is_nothing()) {
        return layout::empty("No run that you may read", &limits.instead(), None);
    }
    let is_narrowed = ["q", "namespace", "before"].iter().any(|name| query.first(name).is_some());
    if let (false, Some(state @ ("active" | "failed"))) = (is_narrowed, query.first("state")) {
        let title = if state == "active" { "No run is active" } else { "No run has failed" };
        let text = if state == "active" { "One that begins appears here." } else { "One that fails appears here." };
        return layout::empty(title, &html! { p { (text) " " a href=(PATH) { "Show all runs" } } }, None);
    }
    if is_narrowed || query.first("state").is_some_and(|state| state != "recent") {
        return layout::empty(
            "No run matches",
            &html! { p { "There may be runs that this search leaves out. " a href=(PATH) { "Show all runs" } } },
            None,
        );
    }
    layout::empty(
        "No runs yet",
        &html! {
            p { "A run appears here with its first message: from a pod with the sidecar, in a namespace with the label" }
            (layout::command("kubectl label namespace my-namespace agent-comms.dev/inject=enabled"))
            p { "or from any publisher, on " code { "workflow.NAMESPACE.NAME.UID.agent.AGENT.KIND" } ":" }
        },
        Some("nats pub workflow.my-namespace.hello.unknown.agent.me.message '{\"content\": \"hello\"}'"),
    )
}
