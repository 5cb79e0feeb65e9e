//! Where the demo finds and leaves things.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use neighbours::{Directory, postgres};

use crate::cargo;

/// The folders of one demo.
pub struct Places {
    /// The repository.
    repository: PathBuf,
    /// What stays: logs, data, the file `env`.
    pub home: PathBuf,
    /// Where cargo leaves programs.
    programs: PathBuf,
    /// Sockets and the sidecars' state; short, because a socket's path must be.
    pub temporary: Directory,
}

impl Places {
    /// Finds the folders, and empties what is left of the demo before unless it is to be kept.
    pub fn prepare(keep: bool) -> Result<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has no folder")?.to_path_buf();
        let program = env::current_exe().context("cannot find this program")?;
        let programs = program.parent().context("this program has no folder")?.to_path_buf();
        let home = programs.parent().context("this program is not in a target folder")?.join("demo");
        if !keep {
            postgres::forget(&home.join("postgres"))?;
            if home.exists() {
                fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))?;
            }
        }
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let temporary = Directory::temporary("demo")?;
        Ok(Self { repository, home, programs, temporary })
    }

    /// The folder with the steps.
    pub fn demo(&self) -> PathBuf {
        self.repository.join("demo")
    }

    /// One of our programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The folder of logs.
    pub fn logs(&self) -> PathBuf {
        self.home.join("logs")
    }

    /// Builds our programs, with cargo's own progress.
    pub async fn build(&self) -> Result<()> {
        // The whole workspace, as the tests build it: a choice of packages would build their dependencies once more.
        let mut command = tokio::process::Command::from(cargo::command(&["build", "--workspace", "--bins"]));
        command.current_dir(&self.repository).stdin(Stdio::null()).kill_on_drop(true);
        if self.programs.file_name().is_some_and(|profile| profile == "release") {
            command.arg("--release");
        }
        let status = command.status().await.context("cannot run cargo")?;
        if !status.success() {
            bail!("`cargo build` failed");
        }
        Ok(())
    }
}

/// A random uid, as Kubernetes would give one.
pub fn random_uid() -> Result<String> {
    let path = "/proc/sys/kernel/random/uuid";
    let uid = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(uid.trim().to_owned())
}

/// The text of a file to source in a shell.
pub fn shell_file(variables: &[(String, String)]) -> Result<String> {
    let mut text = String::from("# Written by `cargo xtask demo`; source it in a shell to try your own clients.\n");
    for (name, value) in variables {
        writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"))?;
    }
    Ok(text)
}
