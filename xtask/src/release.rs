//! How the sidecar is built that runs in pods: here and nowhere else, so that what is measured is what is shipped.
//!
//! Its image holds nothing but this one file, so it is static: profile `sidecar`, for musl. The flags of that target are in
//! `.cargo/config.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cargo;

/// Name of the program, and of its package's profile.
const PROGRAM: &str = "agent-comms";
const PROFILE: &str = "sidecar";

/// Builds the sidecar and gives its path.
pub fn build_sidecar() -> Result<PathBuf> {
    let target = target();
    let mut command =
        cargo::command(&["build", "--quiet", "--profile", PROFILE, "--target", &target, "--package", "sidecar", "--bins"]);
    // What is compiled here of C needs no library, so any compiler for this machine will do.
    let compiler = format!("CC_{}", target.replace('-', "_"));
    if std::env::var_os(&compiler).is_none() {
        command.env(compiler, "cc");
    }
    let status = command.current_dir(repository()?).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the sidecar cannot be built for {target}; `rustup target add {target}` fetches what that takes");
    }
    sidecar()
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
