//! Which changes of runs are shown.

use std::collections::HashMap;

use serde_json::Value;

use crate::args::runs::RunsArgs;

/// Runs that are remembered; beyond it all are forgotten, and a list that is loaded again shows some twice.
const MOST: usize = 20_000;

/// How each run stood when it was shown last.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<String, String>);

impl Changes {
    /// Whether a run stands otherwise than when it was shown last; from now on it was shown so.
    pub(super) fn is_new(&mut self, run: &Value) -> bool {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let key = format!("{} {} {}", run["workflow_namespace"], run["workflow_name"], run["workflow_uid"]);
        let stands = format!("{} {}", run["state"], run["last_cursor"]);
        self.0.insert(key, stands.clone()) != Some(stands)
    }
}

/// Whether a run is one of those that were asked for: the server tells of every one that changes.
pub(super) fn is_wanted(run: &Value, args: &RunsArgs) -> bool {
    let field = |name: &str| run[name].as_str().unwrap_or_default();
    let state = field("state");
    let active = matches!(state, "running" | "stalled");
    let in_state = args.state.is_empty() || args.state.iter().any(|wanted| wanted == state || (wanted == "active" && active));
    let in_namespace = args.namespace.as_deref().is_none_or(|namespace| namespace == field("workflow_namespace"));
    let holds = |text: &str| {
        let text = text.to_lowercase();
        let names = ["workflow_name", "workflow_uid", "run_id", "preview"].map(field);
        names.iter().any(|name| name.to_lowercase().contains(&text)) || run["agents"].to_string().to_lowercase().contains(&text)
    };
    in_state && in_namespace && args.text.as_deref().is_none_or(holds)
}

#[cfg(test)]
mod tests;
