//! What every page has around it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{assets, figures, help, list};
use crate::http::State;
use crate::http::query::Query;

/// Which page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    Runs,
    Run,
    General,
    Login,
    Elsewhere,
}

impl Here {
    fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Run => "run",
            Self::General => "general",
            Self::Login => "login",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// Who reads a page, and how the server stands.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// Whether they signed in here, and may sign out.
    pub signed_in: bool,
    /// What they are called, where that is asked.
    pub name: Option<String>,
    /// What tells apart readers of other rights; nothing on a server that everybody may read. Pages share streams only where it
    /// is the same: what one reader is told may be more than what another in the same browser may read.
    pub key: Option<String>,
    /// How far history is behind what is said, in seconds.
    pub behind: i64,
    /// After how many seconds without a message a stream tells that it is there: a page that hears nothing for longer opens it
    /// anew.
    pub heartbeat: Option<u64>,
}

/// History that is less far behind is none that anybody misses: most is stored within a second.
const WORTH_TELLING: i64 = 10;

impl Visit {
    /// The one who asks, now.
    #[must_use]
    pub fn of(state: &State) -> Self {
        Self {
            signed_in: state.viewer.is_signed_in(),
            name: state.viewer.name().map(ToOwned::to_owned),
            key: state.viewer.rights(),
            behind: state.live.behind_seconds(),
            heartbeat: Some(state.live.heartbeat().as_secs()),
        }
    }
}

/// A page from its parts.
pub(super) struct Shell<'a> {
    pub(super) here: Here,
    pub(super) title: &'a str,
    /// Who reads, and how the server stands.
    pub(super) visit: &'a Visit,
    /// Beside the links, in the first line.
    pub(super) heading: Markup,
    /// At the end of the first line, before the theme.
    pub(super) actions: Markup,
    /// The second line: search and filters.
    pub(super) filters: Markup,
    pub(super) main: Markup,
    /// Style sheet and script of this page.
    pub(super) style: &'a str,
    pub(super) script: Option<&'a str>,
}

pub(super) fn page(shell: &Shell<'_>) -> String {
    let here = |page: Here| (shell.here == page).then_some("page");
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (shell.title) " · agent-comms" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(assets::path("page.css"));
                link rel="stylesheet" href=(assets::path(shell.style));
                // Not a module: the chosen theme is set before anything is drawn.
                script src=(assets::path("theme.js")) {}
                @if shell.here == Here::Run { script src=(assets::path("saved.js")) {} }
                @if let Some(script) = shell.script { script type="module" src=(assets::path(script)) {} }
            }
            body data-here=(shell.here.name()) data-reader=[shell.visit.key.as_deref()] data-heartbeat=[shell.visit.heartbeat] {
                a.skip href="#main" { "Skip to the content" }
                header {
                    div.first {
                        nav aria-label="Pages" {
                            a href="/agents" aria-current=[here(Here::Runs)] { "Runs" }
                            a href="/agents/general" aria-current=[here(Here::General)] { "General" }
                        }
                        div.heading { (shell.heading) }
                        div.actions { (shell.actions) (theme()) (help::button()) @if shell.visit.signed_in { (sign_out()) } }
                    }
                    div.second { (shell.filters) }
                    div #behind { (behind(shell.visit.behind)) }
                    // For readers by ear: that it came or went, and not each new figure.
                    div.hidden #lags role="status" {}
                }
                main #main { (shell.main) }
                (help::sheet())
            }
        }
    };
    markup.into_string()
}

/// By how much storing lags, where that is worth telling. The script of the page asks for it anew.
pub(super) fn behind(seconds: i64) -> Markup {
    html! {
        @if seconds >= WORTH_TELLING {
            p.behind {
                "Storing is " (figures::span(seconds)) " behind: what was said since is shown live, but history, counts and search lack it."
            }
        }
    }
}

/// How the stream of the page stands; the script of the page fills it in, and shows it.
pub(super) fn connection() -> Markup {
    html! { span.connection #connection role="status" hidden { i {} span { "Connecting" } } }
}

/// The button that stops following, for pages whose rows run.
pub(super) fn pause() -> Markup {
    html! { button #pause type="button" aria-pressed="false" hidden { "Pause " kbd { "Space" } } }
}

/// What the page shows, as files, with the filters of the page.
pub(super) fn export(path: &str, query: &Query) -> Markup {
    let filters = list::filters(query);
    html! {
        details.export {
            summary.button { "Export" }
            div.menu {
                a href=(filters.link(&format!("{path}/export.jsonl"))) download { "JSON lines" }
                a href=(filters.link(&format!("{path}/export.md"))) download { "Markdown" }
            }
        }
    }
}

/// Name, text and title of each way to show times.
const TIMES: [(&str, &str, &str); 4] = [
    ("utc", "UTC", "Coordinated universal time"),
    ("local", "local", "The time of this browser"),
    ("relative", "relative", "Since the run began"),
    ("delta", "delta", "Since the row before"),
];

/// How times are shown: the server writes UTC, and the script of the page the others.
pub(super) fn times() -> Markup {
    html! {
        div.times #times role="group" aria-label="Times" hidden {
            @for (name, text, title) in TIMES {
                button type="button" data-time=(name) title=(title) aria-pressed=(if name == "utc" { "true" } else { "false" }) { (text) }
            }
        }
    }
}

fn sign_out() -> Markup {
    html! { form method="post" action="/logout" { button #leave type="submit" { "Sign out" } } }
}

fn theme() -> Markup {
    html! { button #theme type="button" title="Light or dark" aria-label="Light or dark" hidden { (PreEscaped("&#9680;")) } }
}

/// A page with nothing on it yet, and what would fill it.
pub(super) fn empty(title: &str, text: &Markup, command: Option<&str>) -> Markup {
    html! {
        section.empty {
            h2 { (title) }
            (text)
            @if let Some(command) = command { (self::command(command)) }
        }
    }
}

/// A command to copy. It breaks between its words alone: a hyphen at the end of a line would be taken for one of its own.
pub(super) fn command(text: &str) -> Markup {
    html! {
        pre.command {
            code { @for (index, word) in text.split(' ').enumerate() { @if index > 0 { " " } span { (word) } } }
        }
    }
}
