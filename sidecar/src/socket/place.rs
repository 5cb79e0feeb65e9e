//! Where a socket is, and how it gets there: its directory, the log directory beside it, and the taking over of a socket
//! that a dead process left.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::net::{UnixListener, UnixStream};

/// The longest path that the kernel binds a socket to.
const LONGEST_PATH: usize = 107;

/// One socket and the log directory beside it.
#[derive(Debug, Clone)]
pub struct Place {
    container: String,
    directory: PathBuf,
    socket: PathBuf,
}

impl Place {
    /// One for each container, or a single one without a name.
    #[must_use]
    pub fn all(run_dir: &Path, containers: &[String]) -> Vec<Self> {
        let names: Vec<&str> = containers.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return vec![Self::new(run_dir, "")];
        }
        names.into_iter().map(|name| Self::new(run_dir, name)).collect()
    }

    fn new(run_dir: &Path, container: &str) -> Self {
        let directory = run_dir.join(container);
        Self { container: container.to_owned(), socket: directory.join("agent.sock"), directory }
    }

    /// Whose it is; empty where the socket has no name.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The log directory.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }

    /// Makes the directories. Steps of any user may write logs; none may remove the socket or another's log.
    ///
    /// # Errors
    /// When a directory cannot be made or is not ours to set up.
    pub fn prepare(&self) -> anyhow::Result<()> {
        for (path, mode) in [(self.directory.clone(), 0o755), (self.logs(), 0o1777)] {
            let failed =
                || format!("cannot make the directory `{}`; give a --run-dir that this user may write to", path.display());
            std::fs::create_dir_all(&path).with_context(failed)?;
            let set = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
            if let Err(error) = set {
                // Somebody else's directory that we may write to serves as well.
                tracing::debug!(path = %path.display(), error = %error, "cannot set the mode of a directory");
            }
        }
        Ok(())
    }

    /// Binds the socket, open to every user. One that is there is taken over when nobody answers on it.
    ///
    /// # Errors
    /// When the path is too long, somebody answers, or the system refuses.
    pub fn bind(&self) -> anyhow::Result<Listener> {
        let path = self.socket.display();
        let length = self.socket.as_os_str().len();
        anyhow::ensure!(
            length <= LONGEST_PATH,
            "the socket path `{path}` has {length} bytes, {LONGEST_PATH} are possible; give a shorter --run-dir"
        );
        if let Ok(there) = std::fs::symlink_metadata(&self.socket) {
            anyhow::ensure!(there.file_type().is_socket(), "`{path}` is no socket; remove it or give another --run-dir");
            anyhow::ensure!(
                !is_answered(&self.socket),
                "another process serves the socket `{path}`; stop it or give another --run-dir"
            );
            std::fs::remove_file(&self.socket).with_context(|| format!("cannot remove the stale socket `{path}`"))?;
        }
        let bound = UnixListener::bind(&self.socket).with_context(|| format!("cannot make the socket `{path}`"))?;
        std::fs::set_permissions(&self.socket, std::fs::Permissions::from_mode(0o666))
            .with_context(|| format!("cannot open the socket `{path}` to every user"))?;
        Ok(Listener { bound, path: self.socket.clone(), file: file_of(&self.socket) })
    }

    /// Whether something is at the socket's path.
    #[must_use]
    pub fn is_there(&self) -> bool {
        std::fs::symlink_metadata(&self.socket).is_ok()
    }
}

/// A socket that is ours until it is dropped; then it is gone: one that nobody serves would only make writers wait.
#[derive(Debug)]
pub struct Listener {
    bound: UnixListener,
    path: PathBuf,
    /// Device and inode.
    file: Option<(u64, u64)>,
}

impl Listener {
    /// Whether its path still leads to it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.file.is_some() && file_of(&self.path) == self.file
    }

    /// The next connection.
    ///
    /// # Errors
    /// When the system has no room for one more.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.bound.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // What somebody else made there since is not ours to remove.
        if self.is_there() {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Whether somebody listens there, also when no more connections fit into the queue.
fn is_answered(path: &Path) -> bool {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let connected = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .and_then(|socket| connect(&socket, &SocketAddrUnix::new(path)?));
    matches!(connected, Ok(()) | Err(rustix::io::Errno::AGAIN))
}

fn file_of(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests;
