//! The annotations with which a pod changes the defaults. A wrong value never stops an injection: the default holds, and a note says so.

use crate::files::FileGlob;
use crate::names::{ANNOTATION_PREFIX, INJECT_LABEL, STATUS_ANNOTATION};
use crate::note::Note;
use crate::options::Bounds;
use crate::pod::Pod;
use crate::quantity::Quantity;

/// The longest name of an agent or a stage; longer ones would be cut in subjects.
const NAME_LIMIT: usize = 128;
/// With less memory the kernel ends the sidecar before it has started, and no step begins: a forgotten unit (`64` are bytes).
const LEAST_MEMORY: u128 = 1000 * (16 << 20);
/// The longest rules that still fit beside the rest in a container's environment.
const RULES_LIMIT: usize = 16 * 1024;

/// How the binary gets to the steps and the sockets are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Install {
    /// By the sidecar's `postStart` hook.
    #[default]
    Hook,
    /// By an init container, which takes 0.7 s more.
    Init,
}

/// What a pod's annotations say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Files to follow, beside those under the directory of logs.
    pub files: Vec<FileGlob>,
    /// Who speaks, where a record does not say.
    pub agent_id: Option<String>,
    /// Stage of the messages.
    pub stage: Option<String>,
    /// Channel that the messages are also shown in.
    pub channel: Option<String>,
    /// Whether standard output stays alone.
    pub stdout_off: bool,
    /// Whether steps may not read the shared channel back.
    pub read_off: bool,
    /// How the binary gets to the steps.
    pub install: Install,
    /// Rules for plain text.
    pub rules: Option<String>,
    /// More patterns to redact.
    pub redact: Option<String>,
    /// Messages a second.
    pub rate: Option<String>,
    /// Image of the sidecar.
    pub image: Option<String>,
    /// Its processor time.
    pub cpu: Option<Bounds>,
    /// Its memory.
    pub memory: Option<Bounds>,
    /// Port of its metrics.
    pub metrics_port: Option<u16>,
}

/// One annotation, for the table in the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name behind the prefix.
    pub name: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
    read: fn(&mut Overrides, &str) -> Result<(), String>,
}

/// Every annotation that is read.
pub const SETTINGS: [Setting; 14] = [
    Setting {
        name: "files",
        default: "none",
        meaning: "files to follow: `[container:]glob,...`, on volumes that the steps write",
        read: files,
    },
    Setting {
        name: "agent-id",
        default: "the recognised program, else the container",
        meaning: "who speaks, where a record does not say",
        read: agent_id,
    },
    Setting { name: "stage", default: "none", meaning: "stage of the messages", read: stage },
    Setting {
        name: "channel",
        default: "none",
        meaning: "`general`: the messages are also shown in the channel of all runs",
        read: channel,
    },
    Setting {
        name: "stdout",
        default: "`auto`",
        meaning: "`auto` captures standard output and error where that is possible, `off` does not",
        read: stdout,
    },
    Setting {
        name: "read",
        default: "`on`",
        meaning: "`on` lets steps read the channel of all runs through their socket, `off` does not",
        read: reading,
    },
    Setting {
        name: "install",
        default: "`hook`",
        meaning: "`hook` or `init`: how the binary gets to the steps; `init` where hooks are not wanted",
        read: install,
    },
    Setting { name: "rules", default: "none", meaning: "rules for plain text, as TOML", read: rules },
    Setting { name: "redact", default: "the built-in patterns", meaning: "a regular expression to redact as well", read: redact },
    Setting { name: "rate", default: "2000", meaning: "messages a second, at most", read: rate },
    Setting { name: "image", default: "the injector's", meaning: "image of the sidecar", read: image },
    Setting { name: "cpu", default: "`10m/500m`", meaning: "processor time: `REQUEST/LIMIT`, or one amount for both", read: cpu },
    Setting { name: "memory", default: "`24Mi/64Mi`", meaning: "memory: `REQUEST/LIMIT`, or one amount for both", read: memory },
    Setting {
        name: "metrics-port",
        default: "none",
        meaning: "TCP port of the sidecar's metrics, 1024 or above",
        read: metrics_port,
    },
];

/// Reads a pod's annotations, and says what of them, and of the label beside them, means nothing.
#[must_use]
pub fn read(pod: Pod<'_>) -> (Overrides, Vec<Note>) {
    let mut overrides = Overrides::default();
    let mut notes = Vec::new();
    if let Some(wish) = pod.label(INJECT_LABEL).filter(|wish| !["enabled", "disabled"].contains(wish)) {
        notes.push(Note::bad_override("inject", format!("the label says `{wish}`; only `enabled` and `disabled` count")));
    }
    let annotations = pod.0.get("metadata").and_then(|metadata| metadata.get("annotations")).and_then(|value| value.as_object());
    let Some(annotations) = annotations else { return (overrides, notes) };
    let ours = annotations.iter().filter(|(key, _)| key.as_str() != STATUS_ANNOTATION);
    for (name, value) in ours.filter_map(|(key, value)| Some((key.strip_prefix(ANNOTATION_PREFIX)?, value.as_str()?))) {
        let read = match SETTINGS.iter().find(|setting| setting.name == name) {
            Some(setting) => (setting.read)(&mut overrides, value.trim()),
            None if name == "inject" => Err("is a label, not an annotation".to_owned()),
            None => Err("is not known".to_owned()),
        };
        notes.extend(read.err().map(|words| Note::bad_override(name, words)));
    }
    (overrides, notes)
}

/// The table of annotations, as the documentation shows it.
#[must_use]
pub fn table() -> String {
    let rows = SETTINGS.iter().map(|Setting { name, default, meaning, .. }| {
        format!("| `{ANNOTATION_PREFIX}{name}` | {default} | {} |\n", meaning.replace('|', "\\|"))
    });
    format!("| annotation | default | meaning |\n|---|---|---|\n{}", rows.collect::<String>())
}

fn files(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.files = FileGlob::parse_all(value)?;
    Ok(())
}

fn agent_id(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.agent_id = Some(short_name(value)?);
    Ok(())
}

fn stage(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.stage = Some(short_name(value)?);
    Ok(())
}

fn channel(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.channel = Some(one_of(value, &["general"])?.to_owned());
    Ok(())
}

fn stdout(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.stdout_off = one_of(value, &["auto", "off"])? == "off";
    Ok(())
}

fn reading(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.read_off = one_of(value, &["on", "off"])? == "off";
    Ok(())
}

fn install(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.install = if one_of(value, &["hook", "init"])? == "init" { Install::Init } else { Install::Hook };
    Ok(())
}

fn rules(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    if value.len() > RULES_LIMIT {
        return Err(format!("has {} bytes; at most {RULES_LIMIT} are read", value.len()));
    }
    records::Rules::parse(value).map_err(|error| error.to_string())?;
    overrides.rules = Some(value.to_owned());
    Ok(())
}

fn redact(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    if value.is_empty() || value.len() > RULES_LIMIT {
        return Err("is empty or too long".to_owned());
    }
    records::Redactor::check(&("user".to_owned(), value.to_owned())).map_err(|error| error.to_string())?;
    overrides.redact = Some(value.to_owned());
    Ok(())
}

fn rate(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    let rate = value.parse::<u32>().ok().filter(|rate| *rate > 0);
    overrides.rate = Some(rate.ok_or_else(|| format!("`{value}` is no number of messages"))?.to_string());
    Ok(())
}

fn image(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    if value.is_empty() || value.len() > 512 || value.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return Err("is no image".to_owned());
    }
    overrides.image = Some(value.to_owned());
    Ok(())
}

fn cpu(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.cpu = Some(bounds(value)?);
    Ok(())
}

fn memory(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    overrides.memory = Some(memory_bounds(value)?);
    Ok(())
}

fn metrics_port(overrides: &mut Overrides, value: &str) -> Result<(), String> {
    let port = value.parse::<u16>().ok().filter(|port| *port >= 1024);
    overrides.metrics_port = Some(port.ok_or_else(|| format!("`{value}` is no port from 1024 on"))?);
    Ok(())
}

/// `REQUEST/LIMIT`, or one amount for both. Nothing runs on an amount of zero, and the API refuses a request above the limit.
pub(crate) fn bounds(value: &str) -> Result<Bounds, String> {
    let (request, limit) = value.split_once('/').unwrap_or((value, value));
    let amount = |text: &str| Quantity::parse(text.trim()).ok_or_else(|| format!("`{text}` is no amount"));
    let (request, limit) = (amount(request)?, amount(limit)?);
    if limit.in_millis() == 0 || request.in_millis() > limit.in_millis() {
        return Err(format!("`{value}` has a limit below its request, or of zero"));
    }
    Ok(Bounds { request, limit })
}

/// The same of memory, of which a sidecar needs some.
pub(crate) fn memory_bounds(value: &str) -> Result<Bounds, String> {
    let bounds = bounds(value)?;
    if bounds.limit.in_millis() < LEAST_MEMORY {
        return Err(format!("`{value}` has a limit below 16Mi, with which no sidecar starts"));
    }
    Ok(bounds)
}

fn short_name(value: &str) -> Result<String, String> {
    if value.is_empty() || value.len() > NAME_LIMIT || value.chars().any(char::is_control) {
        return Err(format!("is empty or longer than {NAME_LIMIT} bytes"));
    }
    Ok(value.to_owned())
}

fn one_of<'a>(value: &'a str, known: &[&str]) -> Result<&'a str, String> {
    if known.contains(&value) { Ok(value) } else { Err(format!("`{value}` is not {}", known.join(" or "))) }
}

#[cfg(test)]
mod tests;
