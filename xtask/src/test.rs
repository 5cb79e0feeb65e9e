//! `cargo xtask test`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::{cargo, rules, stage};

/// Several times what the tests take on two busy cores: a test that hangs fails here, where its name is still on the screen,
/// and not by the limit of whoever runs us.
const TESTS_LIMIT: Duration = Duration::from_secs(25 * 60);
/// The same with the fault tests at their full length.
const SOAK_LIMIT: Duration = Duration::from_secs(120 * 60);
/// Tests of one program at once, for each processor: most of what they do is waiting for neighbours.
const AT_ONCE: usize = 2;
/// How many that are, unless whoever runs us says so.
const THREADS: &str = "RUST_TEST_THREADS";
/// Tells the fault tests to take their full length.
const SOAK: &str = "AGENT_COMMS_SOAK";

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only tests whose name holds this text; format and lints run all the same
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Fault tests at their full length: minutes of outages, a hundred kills
    #[arg(long)]
    soak: bool,
}

/// Runs every stage; the first that fails ends it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    stage::run("neighbours are here", fetch_neighbours)?;
    stage::run("format", || run_cargo(&["fmt", "--all", "--check"]).context("run `cargo fmt --all`"))?;
    stage::run("rules of the house", || rules::check(repository()?))?;
    stage::run("clippy", || run_cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    stage::run("build", || run_cargo(&["build", "--quiet", "--workspace", "--bins"]))?;
    stage::run("build of the tests", || run_cargo(&["test", "--quiet", "--workspace", "--no-run"]))?;
    let mut tests = vec!["test", "--workspace", "--no-fail-fast"];
    tests.extend(arguments.name.as_deref());
    stage::run("tests", || {
        let mut command = cargo::command(&tests);
        command.current_dir(repository()?);
        if std::env::var_os(THREADS).is_none() {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            command.env(THREADS, (processors * AT_ONCE).to_string());
        }
        if arguments.soak {
            command.env(SOAK, "1");
        }
        cargo::run_within(command, if arguments.soak { SOAK_LIMIT } else { TESTS_LIMIT })
    })
}

/// Gets what is missing before anything waits for it.
fn fetch_neighbours() -> anyhow::Result<()> {
    neighbours::nats::program()?;
    neighbours::postgres::binaries()?;
    neighbours::kubernetes::programs()?;
    neighbours::kustomize::program()?;
    neighbours::argo::definitions()?;
    neighbours::clock::fetch()?;
    neighbours::curl::fetch()?;
    neighbours::promtool::program()?;
    neighbours::axe::script()?;
    neighbours::chromium::fetch()
}

/// The folder of the workspace, wherever the command was given.
fn repository() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has no folder")
}

/// Runs cargo in the repository, its output going where ours goes.
fn run_cargo(arguments: &[&str]) -> anyhow::Result<()> {
    let status = cargo::command(arguments).current_dir(repository()?).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}
