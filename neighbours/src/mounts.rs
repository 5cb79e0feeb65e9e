//! Disks that only those see who are let in: small ones, read-only ones.
//!
//! A mount namespace holds them. Root makes one as it is; any other user makes a user namespace around it. Where neither is
//! allowed it is an error that says so: what needs a disk must not seem to have been tried.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::directory::Directory;
use crate::process::{Launch, Process};
use crate::python::run;

const ADVICE: &str = "cannot mount a file system; where this user may not, and not even in a user namespace of its own: run as \
    root (in a container with the capability SYS_ADMIN), or allow user namespaces (sysctl \
    kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0)";
/// What the script says when it is done.
const MOUNTED: &str = "everything is mounted";
const POLL: Duration = Duration::from_millis(5);

/// A mount namespace with what a script has mounted in it. It ends with this value and everything in it.
#[derive(Debug)]
pub struct Mounts {
    holder: Process,
    in_user_namespace: bool,
    _log: Directory,
}

impl Mounts {
    /// Runs a shell script in a new namespace.
    ///
    /// # Errors
    /// When this user may not mount, with what to do about it, or when the script fails.
    pub async fn make(script: &str) -> Result<Self> {
        match Self::try_make(script, false).await {
            Ok(mounts) => Ok(mounts),
            Err(as_it_is) => {
                let made = Self::try_make(script, true).await;
                made.with_context(|| format!("without a user namespace: {as_it_is:#}")).context(ADVICE)
            }
        }
    }

    async fn try_make(script: &str, in_user_namespace: bool) -> Result<Self> {
        let directory = Directory::temporary("mounts")?;
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if in_user_namespace {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["sh", "-c", &format!("{script} && echo '{MOUNTED}' && exec sleep infinity")]);
        let log = directory.path().join("log");
        let mut holder = Process::start(Launch::new("unshare", command, &log))?;
        while !std::fs::read_to_string(&log)?.contains(MOUNTED) {
            if holder.exit()?.is_some() {
                bail!("cannot mount: {}", holder.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(Self { holder, in_user_namespace, _log: directory })
    }

    /// The words before a command that run it where it sees the disks.
    #[must_use]
    pub fn wrapper(&self) -> Vec<String> {
        let namespace = |name: &str| format!("/proc/{}/ns/{name}", self.holder.id());
        let mut words = vec!["nsenter".to_owned(), format!("--mount={}", namespace("mnt"))];
        if self.in_user_namespace {
            words.extend([format!("--user={}", namespace("user")), "--preserve-credentials".to_owned()]);
        }
        words
    }

    /// Runs a command where it sees the disks.
    pub fn run(&self, words: &[&str]) -> Result<()> {
        let wrapper = self.wrapper();
        run(Command::new(&wrapper[0]).args(&wrapper[1..]).args(words))
    }

    /// A path on the disks, for us to use.
    #[must_use]
    pub fn seen(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").unwrap_or(path);
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(path)
    }
}
