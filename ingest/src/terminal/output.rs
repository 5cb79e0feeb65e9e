//! Standard output, which may be slow, go away, or be a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{mpsc, oneshot};

use crate::args::client::Colour;

/// Texts that wait for a slow reader: beyond this whoever writes waits as well.
const AHEAD: usize = 64;
/// How often it is looked whether the reader is still there while nothing is written.
const LOOK: Duration = Duration::from_secs(1);
/// How long the last lines may take.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Writes to standard output on a thread of its own, so that a reader that stands still holds up neither signals nor the end.
#[derive(Debug)]
pub struct Output {
    lines: mpsc::Sender<String>,
    written: oneshot::Receiver<io::Result<()>>,
    terminal: bool,
}

/// Standard output cannot be written to any more.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct Closed;

impl Output {
    /// Takes standard output.
    #[must_use]
    pub fn standard() -> Self {
        let (lines, receiver) = mpsc::channel(AHEAD);
        let (done, written) = oneshot::channel();
        std::thread::spawn(move || {
            // Nobody waits for the result when the process is ending.
            drop(done.send(write(receiver)));
        });
        Self { lines, written, terminal: io::stdout().is_terminal() }
    }

    /// Whether a person looks.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Columns of the terminal, as it is now; nothing where it is none.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        let size = self.terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok()).flatten()?;
        (size.ws_col > 0).then(|| usize::from(size.ws_col))
    }

    /// Whether to colour: see <https://no-color.org>.
    #[must_use]
    pub fn colours(&self, wanted: Colour) -> bool {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match wanted {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => self.terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|term| term != "dumb"),
        }
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// When the reader has gone.
    pub async fn write(&self, lines: String) -> Result<(), Closed> {
        if lines.is_empty() { Ok(()) } else { self.lines.send(lines).await.map_err(|_| Closed) }
    }

    /// Ends when the reader has gone, also while nothing is written.
    pub async fn gone(&self) {
        loop {
            tokio::select! {
                () = self.lines.closed() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let stdout = io::stdout();
            let mut look = [PollFd::new(&stdout, PollFlags::empty())];
            let found = poll(&mut look, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            if found.is_ok() && look[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
                return;
            }
        }
    }

    /// Writes what is left. A reader that went away is no failure: it has what it wanted.
    ///
    /// # Errors
    /// When a line could not be written.
    pub async fn finish(self) -> io::Result<()> {
        drop(self.lines);
        match tokio::time::timeout(LAST_LINES, self.written).await {
            Ok(Ok(Err(error))) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// Writes until nobody has lines any more; whatever waits is written at once.
fn write(mut lines: mpsc::Receiver<String>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    while let Some(text) = lines.blocking_recv() {
        out.write_all(text.as_bytes())?;
        while let Ok(text) = lines.try_recv() {
            out.write_all(text.as_bytes())?;
        }
        out.flush()?;
    }
    Ok(())
}

/// Tells something beside the output, on standard error. `text` must hold no control character.
pub fn notice(text: &str) {
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(io::stderr(), "{text}"));
}
