//! One of the command's streams on its way to our own: read, written on, then captured.
//!
//! It runs on a thread of its own, with blocking calls, since our own streams belong to others as well and must stay as they
//! are. When they take nothing the command waits, as it would without us; when they are closed the command's stream is.

use std::fs::File;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::thread;

use records::Cutter;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionread};
use tokio::sync::oneshot;

use super::batch::Stream;
use super::capture::Capture;

/// Bytes of one read: what a pipe holds.
const CHUNK: usize = 64 * 1024;
/// The thread's stack: a loop over one buffer, which is not on it.
const STACK: usize = 128 * 1024;

/// A stream to relay.
#[derive(Debug)]
pub struct Relay {
    /// What it is to the command.
    pub stream: Stream,
    /// What the command writes to.
    pub from: PipeReader,
    /// Our own.
    pub to: File,
    /// Closed at its other end when the command has ended: what it wrote until then is the last. Others that it started
    /// may have the stream open for ever.
    pub ended: PipeReader,
    /// Where lines go.
    pub capture: Capture,
}

impl Relay {
    /// Starts the thread; the channel closes when everything is relayed.
    ///
    /// # Errors
    /// When there is no thread to be had: the stream is closed then.
    pub fn start(self) -> io::Result<oneshot::Receiver<()>> {
        let (done, is_done) = oneshot::channel::<()>();
        let relay = move || {
            self.run();
            drop(done);
        };
        thread::Builder::new().stack_size(STACK).spawn(relay)?;
        Ok(is_done)
    }

    fn run(mut self) {
        let mut cutter = Cutter::new(0);
        // Whatever breaks off here closes the command's stream, so that it learns of it as it would without us.
        drop(self.relay(&mut cutter));
        self.capture.rest(self.stream, &mut cutter);
    }

    fn relay(&mut self, cutter: &mut Cutter) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        let mut left = None;
        loop {
            if left.is_none() && self.has_ended()? {
                left = Some(usize::try_from(ioctl_fionread(&self.from)?).unwrap_or(usize::MAX));
            }
            let room = left.map_or(CHUNK, |left| left.min(CHUNK));
            if room == 0 {
                return Ok(());
            }
            let length = match self.from.read(&mut buffer[..room]) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            left = left.map(|left| left - length);
            write_all(&self.to, &buffer[..length])?;
            cutter.push(&buffer[..length]);
            self.capture.lines(self.stream, cutter);
        }
    }

    /// Waits until there is something to read, or the command has ended.
    fn has_ended(&self) -> io::Result<bool> {
        loop {
            let mut fds = [PollFd::new(&self.from, PollFlags::IN), PollFd::new(&self.ended, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) => return Ok(!fds[1].revents().is_empty()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn write_all(mut to: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever started us left it like that; the command would have had to wait as well.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&to, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
