//! A step that talks through a file and through its socket, whatever happens.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_nats::jetstream;

use super::checker::published;
use crate::world::{PATIENCE, World, request};

/// It writes until it is stopped.
pub struct Writer {
    done: Arc<AtomicBool>,
    file: JoinHandle<u64>,
    socket: JoinHandle<u64>,
}

/// What it said: `file 0` and so on, `socket 0` and so on.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    pub file: u64,
    pub socket: u64,
}

impl Writer {
    /// Starts to write, a line to the file in each pause and a record to the socket in each tenth.
    pub fn start(world: &World, pause: Duration) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let (path, socket) = (world.log("counted.log"), world.socket("main"));
        let stop = Arc::clone(&done);
        let file = std::thread::spawn(move || {
            let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                writeln!(file, "file {count}").unwrap();
                count += 1;
                std::thread::sleep(pause);
            }
            count
        });
        let stop = Arc::clone(&done);
        let socket = std::thread::spawn(move || {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let body = format!("{{\"id\":\"own-{count}\",\"content\":\"socket {count}\"}}");
                let head = "POST /messages HTTP/1.1\r\ncontent-type: application/json\r\n";
                // Unanswered, it is sent again with the same id.
                while !matches!(request(&socket, head, &body), Ok((202, _))) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                count += 1;
                std::thread::sleep(pause * 10);
            }
            count
        });
        Self { done, file, socket }
    }

    /// Stops, and says what was said.
    pub fn stop(self) -> Said {
        self.done.store(true, Ordering::Relaxed);
        Said { file: self.file.join().unwrap(), socket: self.socket.join().unwrap() }
    }
}

impl Said {
    pub fn count(&self) -> u64 {
        self.file + self.socket
    }

    /// Waits until all of it is in the stream.
    pub async fn wait(&self, world: &World) {
        let deadline = Instant::now() + super::length(PATIENCE * 2, PATIENCE * 10);
        let context = jetstream::new(world.nats.admin().connect().await.unwrap());
        let stream = context.get_stream("agent-comms").await.unwrap();
        loop {
            // Copies are messages too: only when there may be enough is it worth looking at each.
            let mut came = stream.get_info().await.unwrap().state.messages;
            if came >= self.count() {
                came = published(world).await.into_iter().map(|message| message.id).collect::<HashSet<_>>().len() as u64;
            }
            if came >= self.count() {
                return;
            }
            assert!(Instant::now() < deadline, "{came} of {} messages came", self.count());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
