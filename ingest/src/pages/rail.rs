//! Beside the timeline of a run: who speaks, how the steps stand, what is known of the run. Agents and steps are filters.

use maud::{Markup, html};

use super::{colour, figures, list};
use crate::http::query::Query;
use crate::read::runs::{RunSummary, StepSummary};
use crate::read::spread::{Spread, Tokens};

pub(super) fn render(run: &RunSummary, spread: Option<&Spread>, path: &str, query: &Query) -> Markup {
    let mut agents: Vec<_> = run.agents.iter().collect();
    agents.sort_by(|left, right| right.1.cmp(left.1));
    html! {
        aside.rail #about aria-label="About this run" {
            a.close href="#main" { "Close" }
            h2 { "Agents" }
            ul {
                @for (agent, count) in agents {
                    li {
                        (filter(path, query, "agent", agent, &html! { i.dot.(colour::class(agent)) {} (agent) }))
                        span { (figures::count(*count)) }
                    }
                }
            }
            @if !run.steps.is_empty() {
                h2 { "Steps" }
                ul {
                    @for step in &run.steps {
                        @let name = html! { (step.step_id) @if let Some(attempt) = step.attempt { " · " (attempt) } };
                        li { (filter(path, query, "step", &step.step_id, &name)) (end(step)) }
                    }
                }
            }
            h2 { "Run" }
            dl { (facts(run, spread)) }
        }
    }
}

fn filter(path: &str, query: &Query, name: &str, value: &str, shown: &Markup) -> Markup {
    let set = query.all(name).any(|held| held == value);
    html! {
        a href=(list::unplaced(query).toggled(name, value).link(path)) aria-current=[set.then_some("true")] { (shown) }
    }
}

fn end(step: &StepSummary) -> Markup {
    let seconds = (step.last_at.unix_micros() - step.first_at.unix_micros()) / 1_000_000;
    html! {
        @match (step.ended, step.exit_code) {
            (false, _) => span { "running" },
            (true, Some(0)) => span { "exit 0 · " (figures::span(seconds)) },
            (true, Some(code)) => span.failed { "exit " (code) " · " (figures::span(seconds)) },
            (true, None) => span { "ended · " (figures::span(seconds)) },
        }
    }
}

fn facts(run: &RunSummary, spread: Option<&Spread>) -> Markup {
    let gaps = run.kinds.get(message::Kind::GAP).copied().unwrap_or(0);
    let warning = |name: &str, title: &str, count: i64| {
        html! { @if count > 0 { div.warning title=(title) { dt { (name) } dd { (figures::count(count)) } } } }
    };
    html! {
        (fact("namespace", &run.namespace))
        (fact("workflow", &run.name))
        @if let Some(id) = &run.run_id { (fact("run id", id)) }
        div { dt { "uid" } dd title=(run.uid) { (figures::middle_cut(&run.uid, 20)) } }
        @if let Some(runtime) = &run.runtime { (fact("runtime", runtime)) }
        @if let Some(outcome) = &run.outcome { (fact("outcome", outcome)) }
        div { dt { "first" } dd { time datetime=(run.first_at) title=(run.first_at) { (figures::clock(run.first_at)) } } }
        div { dt { "last" } dd { time datetime=(run.last_at) title=(run.last_at) { (figures::clock(run.last_at)) } } }
        @if let Some(spread) = spread { (tokens(spread.tokens)) }
        (warning("gaps", "lines that were lost before they could be read", gaps))
        (warning("missing", "messages that their sources numbered and that are not here", run.missing))
        (warning("incomplete", "sources that ended without having told everything", run.incomplete_sources))
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// What models read and wrote, where logs tell it.
pub(super) fn tokens(tokens: Tokens) -> Markup {
    html! {
        @if tokens != Tokens::default() {
            div #tokens title="the highest count that each log tells" {
                dt { "tokens" }
                dd { (figures::short(tokens.input)) " in · " (figures::short(tokens.output)) " out" }
            }
        }
    }
}
