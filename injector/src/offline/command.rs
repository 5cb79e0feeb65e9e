//! `inject`, `uninject` and `explain`: manifests in, manifests or reports out.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cli::PodArgs;
use crate::live;
use crate::mutate;
use crate::names::INJECT_LABEL;
use crate::offline::change::{self, Changed, Output};
use crate::offline::document::{self, Manifest};
use crate::offline::place::{self, Found, Place};
use crate::offline::report::Report;
use crate::options::Options;
use crate::pod::text;
use crate::policy::Reason;

/// The exit code when a sidecar was wanted somewhere and is not there.
const DISAPPOINTED: u8 = 3;

/// Where manifests come from.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// Files to read, `-` for standard input, or directories, of which the files that end in .yaml, .yml and .json count
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    pub filenames: Vec<PathBuf>,
}

/// Settings of `inject`.
#[derive(Debug, Args)]
pub struct InjectArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub files: FileArgs,
    /// Namespace of objects that name none; without it the pod's own is asked for when it starts
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Form of the manifests: as they came, or JSON
    #[arg(short, long, default_value = "yaml", value_name = "FORM")]
    pub output: Output,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub pods: PodArgs,
}

/// Settings of `uninject`.
#[derive(Debug, Args)]
pub struct UninjectArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub files: FileArgs,
    /// Form of the manifests: as they came, or JSON
    #[arg(short, long, default_value = "yaml", value_name = "FORM")]
    pub output: Output,
}

/// Settings of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A pod of the cluster: `pod NAME`, `NAME` or `NAMESPACE/NAME`
    #[arg(value_name = "POD", num_args = 1..=2, required_unless_present = "filenames", conflicts_with = "filenames")]
    pub pod: Vec<String>,
    /// Files to read, `-` for standard input, or directories, of which the files that end in .yaml, .yml and .json count
    #[arg(short, long = "filename", value_name = "FILE")]
    pub filenames: Vec<PathBuf>,
    /// Namespace of the pod; by default that of the kubeconfig
    #[arg(short, long, requires = "pod", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// How to reach the API server, a kubeconfig file; by default `KUBECONFIG`, else the service account
    #[arg(long, requires = "pod", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; by default the current one
    #[arg(long, requires = "pod", value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of the injector, whose pods never get a sidecar
    #[arg(long, env = "AGENT_COMMS_NAMESPACE", default_value = "agent-comms", value_name = "NAME")]
    pub injector_namespace: String,
    /// Form of the report: words, or JSON
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub output: ReportOutput,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub pods: PodArgs,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportOutput {
    /// For people.
    Text,
    /// For programs: a list with an element for each pod.
    Json,
}

/// Adds the sidecar to manifests. The manifests go to standard output, what was done to standard error.
pub fn inject(arguments: InjectArgs) -> Result<ExitCode> {
    let InjectArgs { files, namespace, output, pods } = arguments;
    let options = pods.options()?;
    let manifests = document::read(&files.filenames)?;
    let changed = change::inject(&manifests, namespace.as_deref(), &options);
    finish(&manifests, &changed, output)
}

/// Takes the sidecar out of manifests again.
pub fn uninject(arguments: &UninjectArgs) -> Result<ExitCode> {
    let manifests = document::read(&arguments.files.filenames)?;
    let changed = change::uninject(&manifests);
    finish(&manifests, &changed, arguments.output)
}

/// Says of each pod of manifests, or of a pod of the cluster, whether it gets a sidecar, and why.
pub async fn explain(arguments: ExplainArgs) -> Result<ExitCode> {
    let output = arguments.output;
    let reports = if arguments.pod.is_empty() { of_manifests(arguments)? } else { vec![live::explain(arguments).await?] };
    let mut out = io::stdout().lock();
    match output {
        ReportOutput::Json => serde_json::to_writer_pretty(&mut out, &reports)?,
        ReportOutput::Text => tell(&mut out, &reports, io::stdout().is_terminal())?,
    }
    writeln!(out).context("cannot write the report")?;
    Ok(exit_code(&reports))
}

fn of_manifests(arguments: ExplainArgs) -> Result<Vec<Report>> {
    let options = arguments.pods.options()?;
    let mut reports = Vec::new();
    for manifest in document::read(&arguments.filenames)? {
        for mut document in manifest.documents {
            change::visit(&mut document.value, &mut |object| reports.extend(judge(object, &options)));
        }
    }
    Ok(reports)
}

/// A stored pod is judged as the webhook judges it; what is not made yet as `inject` would.
fn judge(object: &Value, options: &Options) -> Vec<Report> {
    match place::find(object) {
        Found::Service => vec![Report::of_service(object)],
        Found::Other => Vec::new(),
        Found::Places(places) => places
            .iter()
            .map(|place| {
                let namespace = text(&object["metadata"], "namespace").unwrap_or_default();
                let outcome = match place {
                    Place::Pod { pointer, .. } if pointer.is_empty() => mutate::pod(object, 0, namespace, None, options),
                    _ => mutate::template(&place.pod(object), place.runtime(), namespace, options),
                };
                match change::misfit(object, place, outcome.reason) {
                    Some(path) => Report::malformed(object, place.name(object), &path),
                    None => {
                        Report { because: because(place, outcome.reason), ..Report::of(object, place.name(object), &outcome) }
                    }
                }
            })
            .collect(),
    }
}

/// What a report on a template does not say by itself: it knows no namespace, and Argo changes templates before they are pods.
fn because(place: &Place, reason: Reason) -> Vec<String> {
    let mut because = Vec::new();
    if !reason.is_injected() {
        return because;
    }
    if !matches!(place, Place::Pod { pointer, .. } if pointer.is_empty()) {
        because.push(format!("by `inject`, and by the webhook where its namespace is labelled {INJECT_LABEL}=enabled"));
    }
    if matches!(place, Place::Template { .. }) {
        because.push(
            "output is told for `inject`; the webhook captures that of Argo's steps from files, whatever the command".to_owned(),
        );
    }
    because
}

/// Writes the manifests, and tells what was done.
fn finish(manifests: &[Manifest], changed: &Changed, output: Output) -> Result<ExitCode> {
    if changed.values.iter().all(Value::is_null) {
        bail!("there is no object in what was read");
    }
    let (text, rewritten) = changed.text(manifests, output);
    io::stdout().lock().write_all(text.as_bytes()).context("cannot write the manifests")?;
    let mut errors = io::stderr().lock();
    tell(&mut errors, &changed.reports, io::stderr().is_terminal())?;
    writeln!(errors)?;
    for name in rewritten {
        writeln!(errors, "! {name}: a document of it is written anew, its comments and its order could not be kept")?;
    }
    Ok(exit_code(&changed.reports))
}

fn tell(out: &mut impl Write, reports: &[Report], is_terminal: bool) -> Result<()> {
    if reports.is_empty() {
        write!(out, "no pod is in what was read")?;
        return Ok(());
    }
    for (index, report) in reports.iter().enumerate() {
        let colour = match (report.decision, report.disappoints) {
            ("skip", true) => "\x1b[31m",
            ("skip", false) => "\x1b[2m",
            _ => "\x1b[32m",
        };
        let line = report.to_string();
        let end = if index + 1 == reports.len() { "" } else { "\n" };
        if is_terminal {
            let (head, tail) =
                line.split_once('\n').map_or((line.as_str(), String::new()), |(head, tail)| (head, format!("\n{tail}")));
            write!(out, "{colour}{head}\x1b[0m{tail}{end}")?;
        } else {
            write!(out, "{line}{end}")?;
        }
    }
    Ok(())
}

fn exit_code(reports: &[Report]) -> ExitCode {
    if reports.iter().any(|report| report.disappoints) { ExitCode::from(DISAPPOINTED) } else { ExitCode::SUCCESS }
}
