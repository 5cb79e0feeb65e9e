//! Signals that are meant for the command, and the end of it.
//!
//! Real-time signals and those that mean a fault in the receiver itself stay ours, and so does SIGPIPE: it would tell of
//! our own pipes. What was ignored when we started stays ignored, by the command too.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpgrp, kill_process, wait};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The standard signals, by number.
const NUMBERS: std::ops::RangeInclusive<i32> = 1..=31;
/// Those that nobody can catch, or that are not the command's.
const KEPT: [Signal; 7] = [Signal::KILL, Signal::STOP, Signal::ILL, Signal::FPE, Signal::SEGV, Signal::PIPE, Signal::CHILD];
/// What a terminal sends to every process in front of it: the command has them already.
const OF_TERMINAL: [Signal; 4] = [Signal::INT, Signal::QUIT, Signal::WINCH, Signal::CONT];
/// What stops a job: the shell that started us waits for us to stop, so these keep their effect on us.
const OF_JOB: [Signal; 3] = [Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// Everything we listen to.
#[derive(Debug)]
pub struct Signals {
    child: unix::Signal,
    caught: Vec<(Signal, unix::Signal)>,
    /// Whether the command is in front of a terminal, as we are.
    at_terminal: bool,
}

/// Forwards signals until it is dropped.
#[derive(Debug)]
pub struct Forwarding {
    /// They end with this value.
    _tasks: JoinSet<()>,
    /// Told when somebody asks this process to end.
    asked: Arc<Notify>,
    /// Whether the command is gone, and its number perhaps another's.
    is_over: Arc<AtomicBool>,
}

impl Forwarding {
    /// Waits until somebody asks this process to end.
    pub async fn asked_to_end(&self) {
        self.asked.notified().await;
    }

    /// Nothing is forwarded any more.
    fn stop_forwarding(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Signals {
    /// Listens from now on. What comes before the command runs is forwarded when it does.
    pub fn listen() -> io::Result<Self> {
        let child = signal(SignalKind::child())?;
        let ignored = ignored();
        let at_terminal = is_at_terminal();
        let mut caught = Vec::new();
        for number in NUMBERS {
            let Some(wanted) = Signal::from_named_raw(number) else { continue };
            let is_ignored = ignored & (1 << (number - 1)) != 0;
            if is_ignored || KEPT.contains(&wanted) || (at_terminal && OF_JOB.contains(&wanted)) {
                continue;
            }
            caught.push((wanted, signal(SignalKind::from_raw(number))?));
        }
        Ok(Self { child, caught, at_terminal })
    }

    /// From now on they go to the command.
    pub fn forward_to(&mut self, command: Pid) -> Forwarding {
        let (asked, is_over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let mut tasks = JoinSet::new();
        for (caught, mut stream) in self.caught.drain(..) {
            let has_it = self.at_terminal && OF_TERMINAL.contains(&caught);
            let (asked, is_over) = (Arc::clone(&asked), Arc::clone(&is_over));
            tasks.spawn(async move {
                while stream.recv().await.is_some() {
                    if !has_it && !is_over.load(Ordering::Relaxed) {
                        // It may have ended in this very moment, and waits to be noticed.
                        kill_process(command, caught).ok();
                    }
                    if [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP].contains(&caught) {
                        asked.notify_one();
                    }
                }
            });
        }
        Forwarding { _tasks: tasks, asked, is_over }
    }

    /// Waits for the command's end and gives its exit code; meanwhile takes in everybody whose parent is gone, since a
    /// container's first process is the parent of all of them.
    pub async fn wait_for(&mut self, command: Pid, forwarding: &Forwarding) -> u8 {
        loop {
            loop {
                match wait(WaitOptions::NOHANG) {
                    Ok(Some((pid, status))) if pid == command => {
                        forwarding.stop_forwarding();
                        return exit_code(status);
                    }
                    Ok(Some(_)) | Err(Errno::INTR) => {}
                    Ok(None) => break,
                    // Somebody took its end away from us: it is over, and nothing is known of how.
                    Err(_) => {
                        forwarding.stop_forwarding();
                        return 1;
                    }
                }
            }
            self.child.recv().await;
        }
    }
}

fn exit_code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|number| 128 + number));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// The signals that are ignored, as bits; what cannot be read ignores nothing.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

/// Whether a terminal sends its signals to us and, since it is in our process group, to the command.
fn is_at_terminal() -> bool {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let terminals =
        [(input.is_terminal(), input.as_fd()), (output.is_terminal(), output.as_fd()), (error.is_terminal(), error.as_fd())];
    terminals.into_iter().any(|(is_terminal, terminal)| is_terminal && tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}
