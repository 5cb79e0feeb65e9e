//! Child processes that never outlive the process that started them.

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, kill_process, kill_process_group};

pub use rustix::process::Signal;

use crate::janitor;

const POLL: Duration = Duration::from_millis(5);
const TAIL_LINES: usize = 20;

/// Runs its arguments once a line has come in. When the end comes instead, this process ended before the janitor knew
/// the group, and the program would be nobody's.
const WHEN_WATCHED: &str = r#"IFS= read -r word || exit 1; exec "$@" </dev/null"#;

/// A child process in a process group of its own, with its output in a log file.
///
/// It ends with its value, and when this process ends, however that happens: its whole group is then killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    group: Pid,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

/// How to start a [`Process`].
#[derive(Debug)]
pub struct Launch {
    /// What messages call it.
    pub name: String,
    /// What to run, with its directory and environment; everything else is set here.
    pub command: Command,
    /// The user and group that run it, when not this process's own.
    pub account: Option<(u32, u32)>,
    /// Its stdout and stderr are appended to this file.
    pub log: PathBuf,
    /// What its group gets when this process ends without having stopped it.
    pub last_signal: Signal,
}

impl Launch {
    /// A launch whose process is killed at the end.
    pub fn new(name: &str, command: Command, log: impl Into<PathBuf>) -> Self {
        Self { name: name.to_owned(), command, account: None, log: log.into(), last_signal: Signal::KILL }
    }
}

impl Process {
    /// Starts it.
    pub fn start(launch: Launch) -> Result<Self> {
        let Launch { name, command, account, log, last_signal } = launch;
        let output = open_log(&log)?;
        let mut shell = when_watched(&command);
        if let Some((user, group)) = account {
            shell.uid(user).gid(group);
        }
        let mut child = shell
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}: cannot run /bin/sh"))?;
        let word = child.stdin.take();
        let group = Pid::from_child(&child);
        let process = Self { name, child, group, log, ended: None };
        janitor::watch_group(process.id(), last_signal)?;
        word.and_then(|mut word| word.write_all(b"\n").ok())
            .with_context(|| format!("cannot start {}: its shell is gone", process.name))?;
        Ok(process)
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is also that of its group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file with its output.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its output, for an error message.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// How it ended, or none while it runs.
    pub fn exit(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().with_context(|| format!("cannot wait for {}", self.name))?;
            if self.ended.is_some() {
                self.sweep_group()?;
            }
        }
        Ok(self.ended)
    }

    /// An error with the tail of its log once it has ended.
    pub fn check_running(&mut self) -> Result<()> {
        match self.exit()? {
            Some(status) => {
                bail!("{} ended with {status}; the end of {}:\n{}", self.name, self.log.display(), self.log_tail())
            }
            None => Ok(()),
        }
    }

    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.ended.is_some() {
            bail!("{} has ended already", self.name);
        }
        kill_process(self.group, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Stops its whole group from running, as a machine that hangs would.
    pub fn pause(&self) -> Result<()> {
        self.signal_group(Signal::STOP)
    }

    /// Lets a paused group run on.
    pub fn resume(&self) -> Result<()> {
        self.signal_group(Signal::CONT)
    }

    /// Waits for its end, at most until `deadline` has passed.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.exit()? {
                return Ok(status);
            }
            if start.elapsed() > deadline {
                bail!("{} still runs after {} s", self.name, deadline.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks it to end with `signal`; kills it when it still runs after `grace`, which is an error.
    pub async fn stop(&mut self, signal: Signal, grace: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.exit()? {
            return Ok(status);
        }
        self.signal(signal)?;
        let stopped = self.wait(grace).await;
        if stopped.is_err() {
            self.kill()?;
        }
        stopped
    }

    /// Kills its whole group at once, as `kill -9` would, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        if self.exit()?.is_some() {
            return Ok(());
        }
        self.signal_group(Signal::KILL)?;
        let status = self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        self.ended = Some(status);
        janitor::forget_group(self.id())
    }

    fn signal_group(&self, signal: Signal) -> Result<()> {
        if self.ended.is_some() {
            bail!("{} has ended already", self.name);
        }
        kill_process_group(self.group, signal).with_context(|| format!("cannot signal the group of {}", self.name))
    }

    /// Whatever the process left behind in its group ends with it.
    fn sweep_group(&self) -> Result<()> {
        match kill_process_group(self.group, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => janitor::forget_group(self.id()),
            Err(error) => Err(anyhow!(error).context(format!("cannot end what {} left behind", self.name))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(process = self.name, error = format!("{error:#}"), "cannot end a child process");
        }
    }
}

/// The command behind [`WHEN_WATCHED`]; a program that is missing is then told by the shell, in the log, with code 127.
fn when_watched(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", WHEN_WATCHED, "sh"].map(OsStr::new)).arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn open_log(log: &Path) -> Result<File> {
    if let Some(directory) = log.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("cannot open the log {}", log.display()))
}

/// The last lines of a log file; what cannot be read is told in its place.
pub(crate) fn tail(log: &Path) -> String {
    let bytes = match fs::read(log) {
        Ok(bytes) => bytes,
        Err(error) => return format!("({} cannot be read: {error})", log.display()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
