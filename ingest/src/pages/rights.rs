//! What somebody may not read, told with what to ask for: the command that gives the right, ready for whoever may give it.

use maud::{Markup, html};

use super::layout;

/// More namespaces than this are a number.
const NAMED: usize = 8;
/// What stands for the namespace that somebody wants to read, where they did not name it.
const ANY: &str = "NAMESPACE";

/// The account of a service in a cluster, as Kubernetes names it.
const SERVICE: &str = "system:serviceaccount:";

/// Somebody who may not read everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// What they are called.
    pub name: String,
    /// The namespaces that they may read, of those that have runs or the one that was asked for.
    pub readable: Vec<String>,
    /// The namespace that was asked for.
    pub asked: Option<String>,
}

impl Limits {
    /// Whether they may read no namespace at all that would be listed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.readable.is_empty()
    }

    /// Below a list of runs: what it leaves out.
    pub(super) fn beside(&self) -> Markup {
        let more = self.readable.len().saturating_sub(NAMED);
        html! {
            details.limits {
                summary {
                    "You see the runs of "
                    @for (index, namespace) in self.readable.iter().take(NAMED).enumerate() {
                        @if index > 0 { ", " } b { (namespace) }
                    }
                    @if more > 0 { " and " (more) " more" }
                    " alone. What is missing?"
                }
                div { (self.ask()) }
            }
        }
    }

    /// Where there is nothing: it may be that they may not read it.
    pub(super) fn instead(&self) -> Markup {
        html! {
            p {
                "You are " b { (self.name) } ", and "
                @match (&self.asked, self.readable.as_slice()) {
                    (Some(asked), _) => { "whether there are runs in " b { (asked) } " you may not know." }
                    (None, []) => { "may read no namespace that has runs." }
                    (None, [first, others @ ..]) => {
                        "may read " b { (first) } @for other in others.iter().take(NAMED - 1) { ", " b { (other) } }
                        @if others.len() >= NAMED { " and " (others.len() + 1 - NAMED) " more" }
                        " alone."
                    }
                }
            }
            (self.ask())
        }
    }

    fn ask(&self) -> Markup {
        html! {
            p { "Somebody who administers " @if self.asked.is_some() { "the" } @else { "a" } " namespace can let you read it:" }
            (layout::command(&in_namespace(&self.name, self.asked.as_deref().unwrap_or(ANY))))
        }
    }
}

/// What lets somebody read the runs of a namespace.
fn in_namespace(name: &str, namespace: &str) -> String {
    format!(
        "kubectl create rolebinding {} --clusterrole=agent-comms-reader {} --namespace={}",
        quoted(&format!("{}-reads-runs", short(name))),
        subject(name),
        quoted(namespace)
    )
}

/// What lets somebody read the channel that all runs share.
pub(super) fn in_channel(name: &str) -> String {
    format!(
        "kubectl create clusterrolebinding {} --clusterrole=agent-comms-general-reader {}",
        quoted(&format!("{}-reads-general", short(name))),
        subject(name)
    )
}

fn subject(name: &str) -> String {
    match name.strip_prefix(SERVICE) {
        Some(account) => format!("--serviceaccount={}", quoted(account)),
        None => format!("--user={}", quoted(name)),
    }
}

/// What the binding is called: the end of the name, as far as Kubernetes takes it.
fn short(name: &str) -> String {
    let last = name.rsplit([':', '/']).next().unwrap_or_default();
    let kept: String = last.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' }).collect();
    let kept = kept.trim_matches('-');
    if kept.is_empty() { "reader".to_owned() } else { kept.to_owned() }
}

/// A word for a shell: somebody else pastes it, and a name may hold anything.
fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(&byte));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests;
