//! A step that talks through a file and through its socket, whatever happens.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use neighbours::Pod;
use neighbours::pod::request;

/// It writes until it is stopped.
pub struct Writer {
    done: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    file: JoinHandle<u64>,
    socket: JoinHandle<u64>,
    padding: String,
}

/// What was said: `file 0` and so on, `socket 0` and so on, each with the padding, and what was said beside.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub file: u64,
    pub socket: u64,
    pub padding: String,
    pub beside: Vec<String>,
}

impl Writer {
    /// Starts to write, a line to the file in each pause and a record to the socket in each tenth.
    pub fn start(pod: &Pod, pause: Duration) -> Self {
        Self::start_padded(pod, pause, 0)
    }

    /// The same with so many bytes more in each.
    pub fn start_padded(pod: &Pod, pause: Duration, padding: usize) -> Self {
        let padding = " ".repeat(padding.min(1)) + &"x".repeat(padding.saturating_sub(1));
        let (done, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (path, socket) = (pod.log("counted.log"), pod.socket("main"));
        let (stop, counted, more) = (Arc::clone(&done), Arc::clone(&count), padding.clone());
        let file = std::thread::spawn(move || {
            let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                // Two kinds, and so two subjects: a broker may take the one and refuse the other.
                match count % 10 {
                    0 => writeln!(file, r#"{{"kind":"status","content":"file {count}{more}"}}"#).unwrap(),
                    _ => writeln!(file, "file {count}{more}").unwrap(),
                }
                count += 1;
                counted.store(count, Ordering::Relaxed);
                std::thread::sleep(pause);
            }
            count
        });
        let (stop, more) = (Arc::clone(&done), padding.clone());
        let socket = std::thread::spawn(move || {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let body = format!(r#"{{"id":"own-{count}","content":"socket {count}{more}"}}"#);
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
        Self { done, count, file, socket, padding }
    }

    /// Lines in the file so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Stops, and says what was said.
    pub fn stop(self) -> Said {
        self.done.store(true, Ordering::Relaxed);
        let (file, socket) = (self.file.join().unwrap(), self.socket.join().unwrap());
        Said { file, socket, padding: self.padding, beside: Vec::new() }
    }
}

impl Said {
    pub fn count(&self) -> u64 {
        self.file + self.socket + self.beside.len() as u64
    }

    /// Everything that was said.
    pub fn contents(&self) -> HashSet<String> {
        let counted = [("file", self.file), ("socket", self.socket)].into_iter();
        let counted = counted.flat_map(|(word, count)| (0..count).map(move |number| format!("{word} {number}")));
        counted.map(|content| content + &self.padding).chain(self.beside.iter().cloned()).collect()
    }
}
