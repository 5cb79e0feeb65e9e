//! The page that asks who somebody is.

use maud::{Markup, html};

use super::layout::{self, Here, Shell, Visit};

/// What is known of whoever looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing yet.
    Nothing,
    /// They are signed in.
    Known,
    /// Their token is nobody's.
    Unknown,
    /// Their token fits in no cookie.
    TooLong,
    /// Their token cannot be checked at the moment.
    Unavailable,
}

/// The page, which goes on to `next`.
#[must_use]
pub fn render(next: &str, said: Said) -> String {
    layout::page(&Shell {
        here: Here::Login,
        title: "Sign in",
        visit: &Visit::default(),
        heading: html! { h1.hidden { "Sign in" } },
        actions: html! {},
        filters: html! {},
        main: if said == Said::Known { known() } else { form(next, said) },
        style: "runs.css",
        script: None,
    })
}

fn form(next: &str, said: Said) -> Markup {
    let problem = match said {
        Said::Nothing | Said::Known => None,
        Said::Unknown => Some("This token is not taken: it has ended, is for another audience, or is none."),
        Said::TooLong => Some("This token is too long for a browser to keep. Take one with fewer groups in it."),
        Said::Unavailable => Some("The token cannot be checked at the moment. Try again."),
    };
    html! {
        section.empty {
            h2 { "Sign in" }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            form.login method="post" action="/login" {
                input type="hidden" name="next" value=(next);
                label { "Token" input type="password" name="token" autocomplete="off" required autofocus; }
                button type="submit" { "Sign in" }
            }
            p { "A token of a service account that may read messages:" }
            (layout::command("kubectl create token NAME --audience agent-comms-ingest --duration 8h"))
            // Whoever comes from another site is not recognised at first: their browser keeps the cookie back until they
            // follow a link of this one.
            p { "Signed in already? " a href=(next) { "Go on" } }
        }
    }
}

fn known() -> Markup {
    html! {
        section.empty {
            h2 { "You are signed in" }
            p { a href="/agents" { "All runs" } }
            form.login method="post" action="/logout" { button type="submit" { "Sign out" } }
        }
    }
}
