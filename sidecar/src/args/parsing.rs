//! How text becomes messages, and what is secret in it.

use std::path::Path;

use clap::Args;
use records::redact::PatternError;
use records::rules::{Format, RULES_LIMIT};
use records::{Redactor, Rules};

/// Name in the mark of what a pattern given alone replaces.
const USER: &str = "user";

/// Settings of everything that reads lines.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Parsing")]
pub struct ParsingArgs {
    /// Rules for text: a TOML file, or the TOML itself
    #[arg(long, env = "AGENT_COMMS_RULES", value_parser = read_rules, value_name = "FILE|TOML")]
    pub rules: Option<Rules>,
    /// A regular expression whose matches are secret as well; may be given again
    #[arg(long, env = "AGENT_COMMS_REDACT", value_parser = pattern, value_name = "REGEX")]
    pub redact: Vec<String>,
}

/// What the lines of a log are, or rules that say it.
#[derive(Debug, Clone)]
pub enum LogFormat {
    /// A format by its name.
    Named(Format),
    /// Rules of a file.
    Rules(Box<Rules>),
}

impl LogFormat {
    /// Of a name, or of the path of a file.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        if Path::new(value).extension().is_none_or(|extension| extension != "toml") {
            return value.parse().map(Self::Named).map_err(|reason: String| format!("{reason}, or a file that ends in .toml"));
        }
        read_rules(value).map(|rules| Self::Rules(Box::new(rules)))
    }
}

impl ParsingArgs {
    /// The rules, with this format where one is given.
    #[must_use]
    pub fn rules(&self, format: Option<Format>) -> Rules {
        let rules = self.rules.clone().unwrap_or_default();
        match format {
            Some(format) => rules.with_format(format),
            None => rules,
        }
    }

    /// What replaces secrets.
    ///
    /// # Errors
    /// When the patterns together are too large.
    pub fn redactor(&self) -> Result<Redactor, PatternError> {
        let mut patterns: Vec<(String, String)> = self.redact.iter().map(|pattern| (USER.to_owned(), pattern.clone())).collect();
        patterns.extend(self.rules.iter().flat_map(Rules::redactions).cloned());
        Redactor::new(&patterns)
    }
}

/// Rules, or the path of a file of rules: a path has neither a line break nor an equals sign.
pub(super) fn read_rules(value: &str) -> Result<Rules, String> {
    if value.contains(['\n', '=']) || value.trim().is_empty() {
        return Rules::parse(value).map_err(|error| error.to_string());
    }
    let text = read_text(Path::new(value)).map_err(|error| format!("cannot read the rules: {error}"))?;
    Rules::parse(&text).map_err(|error| error.to_string())
}

fn read_text(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > RULES_LIMIT as u64 {
        return Err(format!("the file has {length} bytes; at most {RULES_LIMIT} are read"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn pattern(value: &str) -> Result<String, String> {
    let pattern = (USER.to_owned(), value.to_owned());
    match Redactor::check(&pattern) {
        Ok(()) => Ok(pattern.1),
        Err(error) => {
            let reason = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
            Err(format!("{error}{reason}"))
        }
    }
}

#[cfg(test)]
mod tests;
