//! A shell that outlives this process for a moment, to end what it started and to remove what it made.
//!
//! A process that is killed runs no destructors, and a signal on the parent's death follows the thread that forked, not
//! the process. So a janitor reads a pipe whose other end only this process holds. Each line is the whole list of
//! what is to be done; at the end of the pipe, which comes with the end of this process however it ends, the last
//! complete line is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow};
use rustix::process::Signal;

/// Signals are ignored, so that the terminal's Ctrl-C cannot end the janitor before its work.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
while IFS= read -r line; do duty=$line; done
eval "$duty"
"#;

static JANITOR: LazyLock<Mutex<Janitor>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Janitor {
    pipe: Option<ChildStdin>,
    groups: BTreeMap<u32, i32>,
    directories: BTreeSet<PathBuf>,
}

/// From now on the process group `group` gets `signal` when this process ends.
pub(crate) fn watch_group(group: u32, signal: Signal) -> Result<()> {
    let mut janitor = janitor();
    janitor.groups.insert(group, signal.as_raw());
    janitor.tell()
}

/// The group has ended: its number may soon be another's.
pub(crate) fn forget_group(group: u32) -> Result<()> {
    let mut janitor = janitor();
    janitor.groups.remove(&group);
    janitor.tell()
}

/// From now on `directory` is removed when this process ends.
pub(crate) fn watch_directory(directory: &Path) -> Result<()> {
    let mut janitor = janitor();
    janitor.directories.insert(directory.to_path_buf());
    janitor.tell()
}

/// The directory is gone, or shall stay.
pub(crate) fn forget_directory(directory: &Path) -> Result<()> {
    let mut janitor = janitor();
    janitor.directories.remove(directory);
    janitor.tell()
}

fn janitor() -> MutexGuard<'static, Janitor> {
    JANITOR.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Janitor {
    fn tell(&mut self) -> Result<()> {
        if self.pipe.is_none() {
            self.pipe = Some(start()?);
        }
        let line = self.duty()?;
        let pipe = self.pipe.as_mut().ok_or_else(|| anyhow!("the janitor has no pipe"))?;
        pipe.write_all(line.as_bytes()).context("cannot tell the janitor what to do")
    }

    /// One line of shell. Directories are removed twice: a server that is still ending may write into the first removal.
    fn duty(&self) -> Result<String> {
        let mut line = String::from(":;");
        for (group, signal) in &self.groups {
            write!(line, "kill -s {signal} -- -{group};kill -s CONT -- -{group};")?;
        }
        if !self.directories.is_empty() {
            let mut paths = String::new();
            for directory in &self.directories {
                let path = directory.to_str().filter(|path| !path.contains('\n'));
                let path = path.ok_or_else(|| anyhow!("{} is no path for a shell", directory.display()))?;
                write!(paths, " '{}'", path.replace('\'', r"'\''"))?;
            }
            write!(line, "sleep 1;rm -rf --{paths} || {{ sleep 2;rm -rf --{paths}; }};")?;
        }
        line.push('\n');
        Ok(line)
    }
}

fn start() -> Result<ChildStdin> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start /bin/sh as the janitor")?;
    child.stdin.take().ok_or_else(|| anyhow!("the janitor has no pipe"))
}
