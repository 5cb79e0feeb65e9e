//! Reads the command line so that nothing in it can end a process that a pod depends on.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};

use service::logs::LogArgs;

use super::{Cli, Command};

/// How many settings are given up before the defaults stand for all of them.
const TRIES: usize = 64;

/// A setting that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in one line.
    pub reason: String,
}

/// Parses the command line of a process. With `--in-pod`, what cannot be used is left out and told; without, the process
/// is refused.
///
/// # Errors
/// When help was asked for, or, outside a pod, when the usage is wrong.
pub fn parse(arguments: Vec<OsString>) -> Result<(Cli, Vec<Problem>), clap::Error> {
    let in_pod = arguments.iter().any(|argument| argument == "--in-pod")
        || std::env::var_os("AGENT_COMMS_IN_POD").is_some_and(|value| value == "true" || value == "1");
    let is_run = arguments.get(1).is_some_and(|command| command == "run");
    if in_pod && is_run {
        let (mut cli, mut problems) = parse_leniently(arguments);
        if let Command::Run(run) = &mut cli.command
            && let Err(error) = service::logs::check_filter(&run.logs.log)
        {
            let default = LogArgs::default_filter();
            problems.push(Problem { reason: format!("{}; `{default}` is used", filter_error(&run.logs.log, &error)) });
            default.clone_into(&mut run.logs.log);
        }
        return Ok((cli, problems));
    }
    let cli = Cli::try_parse_from(arguments)?;
    if let Command::Run(run) = &cli.command
        && let Err(error) = service::logs::check_filter(&run.logs.log)
    {
        return Err(Cli::command().error(ErrorKind::ValueValidation, filter_error(&run.logs.log, &error)));
    }
    Ok((cli, Vec::new()))
}

fn filter_error(filter: &str, reason: &str) -> String {
    format!("invalid value '{filter}' for '--log <FILTER>': {reason}")
}

pub(super) fn parse_leniently(mut arguments: Vec<OsString>) -> (Cli, Vec<Problem>) {
    let mut command = Cli::command();
    let mut problems = Vec::new();
    for _ in 0..TRIES {
        let error = match command.clone().try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches)) {
            Ok(cli) => return (cli, problems),
            Err(error) => error,
        };
        problems.push(Problem { reason: one_line(&error) });
        let culprit = culprit(&error);
        let removed = culprit.as_deref().is_some_and(|culprit| remove(&mut arguments, culprit));
        if !removed {
            match culprit {
                // It came from a variable: that one is not read any more.
                Some(culprit) => command = without_variable(command, &culprit),
                None => break,
            }
        }
    }
    // Nothing is left to leave out: everything is its default.
    let bare = ["agent-comms", "run", "--in-pod"].map(OsString::from);
    let command = Cli::command().mut_subcommand("run", |run| run.mut_args(|arg| arg.env(None::<&str>)));
    match command.try_get_matches_from(bare).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => (cli, problems),
        Err(error) => error.exit(),
    }
}

/// The flag or the word that an error is about.
fn culprit(error: &clap::Error) -> Option<String> {
    let of = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    };
    let text = match error.kind() {
        // The one that asks for something that is missing, or that stands against another.
        ErrorKind::MissingRequiredArgument => flag_in_usage(error),
        _ => of(ContextKind::InvalidArg),
    }?;
    text.split([' ', '=']).next().map(ToOwned::to_owned)
}

/// A required argument is missing because of another that was given; of the two only the missing one is named, so the
/// pair that needs each other is given up by its other half.
fn flag_in_usage(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let missing = missing.first()?;
    let other = if missing.starts_with("--nats-key") { "--nats-cert" } else { "--nats-key" };
    Some(other.to_owned())
}

/// Removes a flag and its value from the command line; says whether it was there.
fn remove(arguments: &mut Vec<OsString>, culprit: &str) -> bool {
    let joined = format!("{culprit}=");
    let is_it = |argument: &OsString| argument.to_str().is_some_and(|text| text == culprit || text.starts_with(&joined));
    let Some(at) = arguments.iter().skip(2).position(is_it).map(|index| index + 2) else {
        return false;
    };
    let is_joined = arguments[at].to_str().is_some_and(|text| text.contains('='));
    arguments.remove(at);
    let is_value = |argument: &OsString| !argument.to_string_lossy().starts_with("--");
    if culprit.starts_with("--") && !is_joined && arguments.get(at).is_some_and(is_value) {
        arguments.remove(at);
    }
    true
}

fn without_variable(command: clap::Command, flag: &str) -> clap::Command {
    let name = flag.trim_start_matches('-').to_owned();
    command.mut_subcommand("run", |run| {
        run.mut_args(|arg| if arg.get_long() == Some(name.as_str()) { arg.env(None::<&str>) } else { arg })
    })
}

fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// Whether the parsed command is one that a pod depends on.
impl Cli {
    /// Whether nothing but SIGTERM may end the process.
    #[must_use]
    pub fn is_in_pod(&self) -> bool {
        matches!(&self.command, Command::Run(run) if run.in_pod)
    }
}
