//! `agent-comms exec -- command`: runs the command as if it ran alone, and hands what it writes and how it ends to the
//! sidecar.
//!
//! Invariants:
//! - what the command writes reaches this process's own standard output and error unchanged, in order, and at the pace at
//!   which they take it; the sidecar's pace and its absence change nothing ([`capture`] is bounded and never waits);
//! - the exit code is the command's: 126 when it cannot be executed, 127 when it is not found, 128 + n when signal n ended
//!   it;
//! - where anything needed for that cannot be had, the command takes this process's place, and nothing is captured.

pub mod batch;
mod capture;
mod hand_over;
mod relay;
mod signals;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal as _, PipeWriter, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::args::ExecArgs;
use batch::Stream;
use capture::Capture;
use relay::Relay;
use signals::Signals;

/// A shell's exit code for a command that is not there.
const NOT_FOUND: u8 = 127;
/// A shell's exit code for a command that is there and cannot be executed.
const CANNOT_EXECUTE: u8 = 126;
/// How long a sidecar that takes nothing is waited for when the command has ended. The step waits for this long, so it is
/// short; a sidecar that is gone is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often that, while it takes something.
const MOST_WAITS: u32 = 5;
/// How long it may take to leave a word without waiting for an answer.
const LEAVING: Duration = Duration::from_millis(200);
/// Once somebody asked the command to end, how long what it had written may take to be read from our standard output.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// Runs the command and gives its exit code.
pub async fn run(args: &ExecArgs) -> ExitCode {
    // A socket that is gone for now is still a file; none at all means that nobody will listen.
    if std::fs::symlink_metadata(&args.socket).is_err() {
        return replace(args);
    }
    supervise(args).await
}

/// The command takes the place of this process; when it cannot, its exit code.
#[must_use]
pub fn replace(args: &ExecArgs) -> ExitCode {
    let mut command = command(args);
    let error = command.exec();
    ExitCode::from(refuse(&command, &error))
}

fn command(args: &ExecArgs) -> Command {
    let mut words = args.command.iter();
    let mut command = Command::new(words.next().map_or_else(Default::default, Clone::clone));
    command.args(words);
    command
}

/// Tells why the command did not start, as a shell would, and gives the shell's code for it.
fn refuse(command: &Command, error: &io::Error) -> u8 {
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(io::stderr(), "agent-comms: cannot run `{}`: {error}", command.get_program().display()));
    if error.kind() == io::ErrorKind::NotFound || is_nowhere(command.get_program()) { NOT_FOUND } else { CANNOT_EXECUTE }
}

/// Whether the system has no process or no memory for one more; in this one's place the command needs neither.
fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
}

/// Whether no directory of `PATH` that can be looked into holds this name. The system's own search tells of a directory
/// that it may not look into instead, which a shell passes over.
fn is_nowhere(program: &OsStr) -> bool {
    let is_path = program.as_bytes().contains(&b'/');
    let path = std::env::var_os("PATH").unwrap_or_default();
    !is_path && !std::env::split_paths(&path).any(|directory| std::fs::metadata(directory.join(program)).is_ok())
}

async fn supervise(args: &ExecArgs) -> ExitCode {
    let capture = Capture::default();
    let (Ok(mut signals), Ok(outputs)) = (Signals::listen(), Outputs::open(&capture)) else { return replace(args) };
    let session = Uuid::from_u128(u128::from(std::process::id()) << 64 | u128::from(unix_nanos()));
    capture.started(session);
    let Outputs { stdout, stderr, relays, terminals, ended } = outputs;
    let mut command = command(args);
    command.stdout(stdout).stderr(stderr);
    // Before the command runs: one that has begun cannot begin again without us.
    let Ok(relayed) = relays.into_iter().map(Relay::start).collect::<io::Result<Vec<_>>>() else { return replace(args) };
    let spawned = command.spawn();
    if spawned.as_ref().is_err_and(is_no_room) {
        return replace(args);
    }
    let refused = spawned.as_ref().err().map(|error| refuse(&command, error));
    // From here on the child alone holds the writing ends, so that their end is seen.
    drop(command);
    let sender = tokio::spawn(hand_over::hand_over(args.socket.clone(), session, capture.clone()));
    for stream in terminals {
        capture.missed(stream, batch::TERMINAL, 0, 0);
    }
    let code = match spawned {
        Ok(child) => {
            let pid = Pid::from_child(&child);
            let forwarding = signals.forward_to(pid);
            let code = signals.wait_for(pid, &forwarding).await;
            drop(ended);
            finish_output(relayed, forwarding).await;
            code
        }
        Err(_) => refused.unwrap_or(CANNOT_EXECUTE),
    };
    capture.ended(session, i32::from(code));
    hand_over_the_rest(&capture, sender, &args.socket, session).await;
    ExitCode::from(code)
}

/// Gives the sidecar time for what is left, as long as it takes some of it; then leaves a word of what is missing.
async fn hand_over_the_rest(capture: &Capture, mut sender: JoinHandle<()>, socket: &Path, session: Uuid) {
    for _ in 0..MOST_WAITS {
        let held = capture.held();
        if tokio::time::timeout(LAST_WORDS, &mut sender).await.is_ok() {
            return;
        }
        if capture.held() >= held {
            break;
        }
    }
    sender.abort();
    let rest = capture.abandon();
    if !rest.is_empty() {
        // Who cannot even be left a word is not there to hear it.
        drop(tokio::time::timeout(LEAVING, hand_over::leave(socket, session, rest)).await);
    }
}

/// Waits until everything that the command wrote is on our own output. A signal that comes meanwhile asks this process to
/// end, as it would have asked the command.
async fn finish_output(relayed: Vec<oneshot::Receiver<()>>, forwarding: signals::Forwarding) {
    let all = async {
        for one in relayed {
            // Its channel closes.
            one.await.ok();
        }
    };
    tokio::select! {
        () = all => {}
        () = async {
            forwarding.asked_to_end().await;
            tokio::time::sleep(LAST_OUTPUT).await;
        } => {}
    }
}

/// How the command's standard output and error are had.
struct Outputs {
    stdout: Stdio,
    stderr: Stdio,
    relays: Vec<Relay>,
    /// Those that stay terminals, and are not captured.
    terminals: Vec<Stream>,
    /// Dropped when the command ended: the relays then take what is left and end.
    ended: PipeWriter,
}

impl Outputs {
    fn open(capture: &Capture) -> io::Result<Self> {
        let (ended_reader, ended) = io::pipe()?;
        let (out, err) = (io::stdout(), io::stderr());
        let mut outputs =
            Self { stdout: Stdio::inherit(), stderr: Stdio::inherit(), relays: Vec::new(), terminals: Vec::new(), ended };
        let mut add = |stream: Stream, own: BorrowedFd<'_>| -> io::Result<PipeWriter> {
            let (from, writer) = io::pipe()?;
            let (to, ended) = (File::from(own.try_clone_to_owned()?), ended_reader.try_clone()?);
            outputs.relays.push(Relay { stream, from, to, ended, capture: capture.clone() });
            Ok(writer)
        };
        // One file for both: their order in it is kept only by one pipe for both.
        if !out.is_terminal() && is_same_file(out.as_fd(), err.as_fd()) {
            let writer = add(Stream::Both, out.as_fd())?;
            (outputs.stdout, outputs.stderr) = (writer.try_clone()?.into(), writer.into());
            return Ok(outputs);
        }
        let stdout = if out.is_terminal() { None } else { Some(add(Stream::Out, out.as_fd())?) };
        let stderr = if err.is_terminal() { None } else { Some(add(Stream::Err, err.as_fd())?) };
        let streams = [(Stream::Out, stdout.is_none()), (Stream::Err, stderr.is_none())];
        outputs.terminals.extend(streams.into_iter().filter_map(|(stream, is_terminal)| is_terminal.then_some(stream)));
        if let Some(writer) = stdout {
            outputs.stdout = writer.into();
        }
        if let Some(writer) = stderr {
            outputs.stderr = writer.into();
        }
        Ok(outputs)
    }
}

/// Whether two descriptors lead to the same file. What is thrown away has no order to keep.
fn is_same_file(left: BorrowedFd<'_>, right: BorrowedFd<'_>) -> bool {
    let (Ok(left), Ok(right)) = (rustix::fs::fstat(left), rustix::fs::fstat(right)) else { return false };
    let is_null = std::fs::metadata("/dev/null").is_ok_and(|null| {
        use std::os::unix::fs::MetadataExt as _;
        null.rdev() == left.st_rdev && left.st_rdev != 0
    });
    !is_null && (left.st_dev, left.st_ino) == (right.st_dev, right.st_ino)
}

fn unix_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
