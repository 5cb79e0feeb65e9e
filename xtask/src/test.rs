//! `cargo xtask test`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{rules, stage};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only tests whose name holds this text; format and lints run all the same
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Runs every stage; the first that fails ends it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    stage::run("format", || cargo(&["fmt", "--all", "--check"]).context("run `cargo fmt --all`"))?;
    stage::run("rules of the house", || rules::check(Path::new(".")))?;
    stage::run("clippy", || cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    stage::run("build", || cargo(&["build", "--quiet", "--workspace", "--bins"]))?;
    stage::run("build of the tests", || cargo(&["test", "--quiet", "--workspace", "--no-run"]))?;
    let mut tests = vec!["test", "--workspace", "--no-fail-fast"];
    tests.extend(arguments.name.as_deref());
    stage::run("tests", || cargo(&tests))
}

/// Runs cargo in the repository, its output going where ours goes.
fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(&program).args(arguments).status().with_context(|| format!("cannot run `{}`", program.display()))?;
    if !status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}
