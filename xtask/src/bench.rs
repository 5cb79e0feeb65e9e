//! `cargo xtask bench`: what the product costs, beside the best that can be written without it, in one and the same run.

mod commanded;
mod ground;
mod ingest;
mod injector;
mod lines;
mod live;
mod messages;
mod pages;
mod place;
mod proc;
mod report;
mod rounds;
mod yardstick;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::{cargo, release, stage};

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Measures the sidecar: throughput, time of the processor, memory, latency and the time it takes to end
    ///
    /// Each figure stands beside that of a publisher which sends the very same messages, made beforehand, and does nothing
    /// else: same server, same run, turn about. Medians; what decides is the ratio.
    Sidecar(PartArguments),
    /// Measures the injector: its handler alone at three sizes, whole requests over TLS, and memory
    ///
    /// Requests stand beside those to a server of the same libraries that answers without looking. Medians.
    Injector(PartArguments),
    /// Measures storing and exporting: from the stream to the tables, first, again, and back as a file
    ///
    /// Storing stands beside a program that inserts the very same rows, read beforehand, into the same tables and does nothing
    /// else. Commits reach the disk. Medians.
    Ingest(IngestArguments),
    /// Measures event streams: to one viewer and to thousands, memory of idle ones, the time from publisher to viewer, resuming
    ///
    /// Each figure stands beside that of hyper writing the very same frames, made beforehand, for the same messages. Medians.
    Live(PartArguments),
    /// Measures the page of a long run in Chromium: first paint, the longest task while it is scrolled and while messages arrive,
    /// and the memory of its tab
    ///
    /// 100,000 messages of one run. There is no yardstick: the bars are in milliseconds. Medians.
    Pages(PartArguments),
}

/// Arguments of `ingest`.
#[derive(Args)]
struct IngestArguments {
    #[command(flatten)]
    part: PartArguments,
    /// Messages of 1 KB in the stream, stored three times in each round
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..))]
    messages: u32,
    /// Rows of the run that is exported
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..))]
    export: u32,
}

/// Arguments of each part.
#[derive(Args)]
struct PartArguments {
    /// Also writes the rows to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// One round of a tenth: to see that everything works
    #[arg(long)]
    quick: bool,
    /// Measures what was built before
    #[arg(long)]
    no_build: bool,
}

/// Builds what is measured, measures it and shows the rows.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (rows, measured, arguments) = match &arguments.part {
        Part::Sidecar(arguments) => {
            if !arguments.no_build {
                stage::run("release build", || {
                    release::build_sidecar()?;
                    built(&["--package", "bare", "--bins"])
                })?;
            }
            let scale = if arguments.quick { rounds::Scale::quick() } else { rounds::Scale::whole(arguments.rounds) };
            (runtime.block_on(rounds::run(scale))?, "sidecar", arguments)
        }
        Part::Injector(arguments) => {
            let rounds = if arguments.quick { 1 } else { arguments.rounds };
            (runtime.block_on(injector::run(rounds, !arguments.no_build))?, "injector", arguments)
        }
        Part::Ingest(IngestArguments { part: arguments, messages, export }) => {
            if !arguments.no_build {
                build_ingest()?;
            }
            let divisor = if arguments.quick { 10 } else { 1 };
            let scale = ingest::Scale {
                rounds: if arguments.quick { 1 } else { arguments.rounds },
                messages: *messages as usize / divisor,
                export: *export as usize / divisor,
            };
            (runtime.block_on(ingest::run(scale))?, "ingest", arguments)
        }
        Part::Live(arguments) => {
            if !arguments.no_build {
                build_ingest()?;
            }
            let rounds = if arguments.quick { 1 } else { arguments.rounds };
            let divisor = if arguments.quick { 10 } else { 1 };
            (runtime.block_on(live::run(live::Scale { rounds, divisor }))?, "ingest", arguments)
        }
        Part::Pages(arguments) => {
            if !arguments.no_build {
                build_ingest()?;
            }
            let rounds = if arguments.quick { 1 } else { arguments.rounds };
            let divisor = if arguments.quick { 10 } else { 1 };
            (runtime.block_on(pages::run(rounds, divisor))?, "ingest", arguments)
        }
    };
    report::show(&rows, measured)?;
    if let Some(path) = &arguments.json {
        report::write_json(&rows, path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Ingest as it is shipped, and the yardsticks.
fn build_ingest() -> anyhow::Result<()> {
    stage::run("release build", || {
        release::build_server("ingest", place::PROGRAM)?;
        built(&["--package", "bare", "--bins"])
    })
}

/// Builds programs for measuring.
fn built(what: &[&str]) -> anyhow::Result<()> {
    let arguments = [&["build", "--quiet", "--release"], what].concat();
    let status = cargo::command(&arguments).current_dir(release::repository()?).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}

/// A program of the release build.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    Ok(release::target_directory()?.join("release").join(name))
}
