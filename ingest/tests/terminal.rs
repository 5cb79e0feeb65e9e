//! A command that runs as it does for a person, its output and its complaints read line by line.

use std::io::Read as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(60);

/// A running command.
pub struct Terminal {
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
    complaints: Arc<Mutex<Vec<String>>>,
}

fn command(server: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms-ingest"));
    command.args(words).env("AGENT_COMMS_SERVER", server).env("TZ", "UTC").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Terminal {
    /// Starts a command against a server.
    pub fn start(server: &str, words: &[&str]) -> Self {
        let mut child = command(server, words).spawn().expect("started");
        let output = collect(child.stdout.take().expect("its output"));
        let complaints = collect(child.stderr.take().expect("its complaints"));
        Self { child, output, complaints }
    }

    /// Starts one whose output nobody reads: the pipe is closed at once.
    pub fn start_unread(server: &str, words: &[&str]) -> Self {
        let mut child = command(server, words).spawn().expect("started");
        drop(child.stdout.take());
        let complaints = collect(child.stderr.take().expect("its complaints"));
        Self { child, output: Arc::default(), complaints }
    }

    pub fn output(&self) -> Vec<String> {
        self.output.lock().expect("no panic").clone()
    }

    /// The contents of the messages that came as JSON.
    pub fn contents(&self) -> Vec<String> {
        let content = |line: &String| {
            let message: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            message["content"].as_str().expect("content").to_owned()
        };
        self.output().iter().map(content).collect()
    }

    /// Waits until so many lines came.
    #[track_caller]
    pub fn until_lines(&self, count: usize) -> impl Future<Output = ()> + '_ {
        self.until("lines", move |terminal| terminal.output().len() >= count)
    }

    /// Waits until it complained of something.
    #[track_caller]
    pub fn until_complains<'a>(&'a self, of: &'a str) -> impl Future<Output = ()> + 'a {
        self.until(of, move |terminal| terminal.complaints.lock().expect("no panic").iter().any(|line| line.contains(of)))
    }

    #[track_caller]
    fn until<'a>(&'a self, what: &'a str, holds: impl Fn(&Self) -> bool + 'a) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let start = Instant::now();
            while !holds(self) {
                let complaints = self.complaints.lock().expect("no panic").clone();
                assert!(start.elapsed() < DEADLINE, "{caller}: no {what}: {:#?} {complaints:#?}", self.output());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().expect("it runs")).expect("an id");
        kill_process(Pid::from_raw(id).expect("an id"), signal).expect("told");
    }

    /// Waits for its end; what it complained of.
    pub async fn end(mut self) -> (ExitStatus, Vec<String>, String) {
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("it ends").expect("a status");
        // Both pipes are closed with it; what is in them is read to the end.
        let start = Instant::now();
        while Arc::strong_count(&self.output) + Arc::strong_count(&self.complaints) > 2 {
            assert!(start.elapsed() < DEADLINE, "its pipes stay open");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let complaints = self.complaints.lock().expect("no panic").join("\n");
        (status, self.output(), complaints)
    }
}

/// What a command shows in a terminal of so many columns, to its end.
pub async fn in_terminal(server: &str, words: &[&str], columns: u16, variables: &[(&str, &str)]) -> String {
    let screen = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    rustix::pty::grantpt(&screen).expect("granted");
    rustix::pty::unlockpt(&screen).expect("unlocked");
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&screen, size).expect("sized");
    let name = rustix::pty::ptsname(&screen, Vec::new()).expect("a name").into_string().expect("text");
    let held = std::fs::File::options().read(true).write(true).open(name).expect("its other side");
    let mut command = command(server, words);
    command.env_remove("NO_COLOR").envs(variables.iter().copied()).stdout(held);
    let mut child = command.spawn().expect("started");
    // The command holds this side as well: as long as anybody does, the screen has no end.
    drop(command);
    let shown = tokio::task::spawn_blocking(move || {
        let mut shown = Vec::new();
        // A terminal that nobody holds any more ends with an error, after everything that was written to it.
        drop(std::fs::File::from(screen).read_to_end(&mut shown));
        String::from_utf8(shown).expect("text")
    });
    let status = tokio::time::timeout(DEADLINE, child.wait()).await.expect("it ends").expect("a status");
    assert!(status.success(), "{status}");
    shown.await.expect("read")
}

fn collect(pipe: impl AsyncRead + Unpin + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let collected = lines.clone();
    tokio::spawn(async move {
        let mut pipe = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = pipe.next_line().await {
            collected.lock().expect("no panic").push(line);
        }
    });
    lines
}
