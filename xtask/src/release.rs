//! How the programs are built that run in clusters: here and nowhere else, so that what is measured is what is shipped.
//!
//! Their images hold nothing but one file, so they are static: for musl, the sidecar with the profile `sidecar`. The flags of
//! that target are in `.cargo/config.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo;

/// Name of the program, and of its package's profile.
const PROGRAM: &str = "agent-comms";
const PROFILE: &str = "sidecar";
/// The programs of the servers, built for the same target with the profile `release`.
const SERVERS: [(&str, &str); 2] = [("injector", "agent-comms-injector"), ("ingest", "agent-comms-ingest")];

/// Builds the sidecar and gives its path.
pub fn build_sidecar() -> Result<PathBuf> {
    build_static(&["--profile", PROFILE, "--package", "sidecar"])?;
    sidecar()
}

/// Builds the servers and gives their paths.
pub fn build_servers() -> Result<Vec<PathBuf>> {
    let packages = SERVERS.iter().flat_map(|(package, _)| ["--package", package]);
    build_static(&["--release"].into_iter().chain(packages).collect::<Vec<_>>())?;
    SERVERS.iter().map(|(_, program)| server(program)).collect()
}

/// Builds one server and gives its path.
pub fn build_server(package: &str, program: &str) -> Result<PathBuf> {
    build_static(&["--release", "--package", package])?;
    server(program)
}

/// Where a server is once it was built.
pub fn server(program: &str) -> Result<PathBuf> {
    Ok(target_directory()?.join(target()).join("release").join(program))
}

fn build_static(what: &[&str]) -> Result<()> {
    let status = static_command("build", &[&["--bins"], what].concat())?.status().context("cannot run cargo")?;
    if !status.success() {
        let target = target();
        bail!("`cargo build` for {target} failed; `rustup target add {target}` fetches what that takes");
    }
    Ok(())
}

/// A command of cargo for static programs, such as `bench`.
pub fn static_command(command: &str, arguments: &[&str]) -> Result<Command> {
    let target = target();
    let mut command = cargo::command(&[&[command, "--quiet", "--target", &target], arguments].concat());
    // What is compiled here of C needs no library, so any compiler for this machine will do.
    let compiler = format!("CC_{}", target.replace('-', "_"));
    if std::env::var_os(&compiler).is_none() {
        command.env(compiler, "cc");
    }
    command.current_dir(repository()?);
    Ok(command)
}

/// Where the sidecar is once it was built.
pub fn sidecar() -> Result<PathBuf> {
    Ok(target_directory()?.join(target()).join(PROFILE).join(PROGRAM))
}

/// Where cargo puts what it builds.
pub fn target_directory() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new("target").to_owned(), PathBuf::from);
    Ok(repository()?.join(target))
}

/// The folder of the repository.
pub fn repository() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has no folder")
}

/// This machine's processor, with the C library that makes static programs.
fn target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}
