//! Beside the timeline of a run: who speaks, how the steps stand, what is known of the run.

use maud::{Markup, html};

use super::{colour, figures};
use crate::http::query::Query;
use crate::read::runs::{RunSummary, StepSummary};

pub(super) fn render(run: &RunSummary, path: &str, query: &Query) -> Markup {
    let mut agents: Vec<_> = run.agents.iter().collect();
    agents.sort_by(|left, right| right.1.cmp(left.1));
    html! {
        aside.rail aria-label="About this run" {
            h2 { "Agents" }
            ul {
                @for (agent, count) in agents {
                    li {
                        a href=(query.without("before").toggled("agent", agent).link(path))
                            aria-current=[query.all("agent").any(|held| held == agent).then_some("true")] {
                            i.dot.(colour::class(agent)) {} (agent)
                        }
                        span { (figures::count(*count)) }
                    }
                }
            }
            @if !run.steps.is_empty() {
                h2 { "Steps" }
                ul {
                    @for step in &run.steps {
                        li {
                            span { (step.step_id) @if let Some(attempt) = step.attempt { " · " (attempt) } }
                            (end(step))
                        }
                    }
                }
            }
            h2 { "Run" }
            dl { (facts(run)) }
        }
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

fn facts(run: &RunSummary) -> Markup {
    let gaps = run.kinds.get(message::Kind::GAP).copied().unwrap_or(0);
    html! {
        div { dt { "namespace" } dd { (run.namespace) } }
        div { dt { "workflow" } dd { (run.name) } }
        @if let Some(id) = &run.run_id { div { dt { "run id" } dd { (id) } } }
        div { dt { "uid" } dd title=(run.uid) { (figures::middle_cut(&run.uid, 20)) } }
        @if let Some(runtime) = &run.runtime { div { dt { "runtime" } dd { (runtime) } } }
        @if let Some(outcome) = &run.outcome { div { dt { "outcome" } dd { (outcome) } } }
        div { dt { "first" } dd { time datetime=(run.first_at) title=(run.first_at) { (figures::clock(run.first_at)) } } }
        @if gaps > 0 { div.warning { dt { "gaps" } dd { (figures::count(gaps)) } } }
    }
}
