//! Where a socket is, and how it gets there: its directory, the log directory beside it, and the taking over of a socket
//! that a dead process left.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::net::UnixListener;

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
    pub fn bind(&self) -> anyhow::Result<UnixListener> {
        let path = self.socket.display();
        let length = self.socket.as_os_str().len();
        anyhow::ensure!(
            length <= LONGEST_PATH,
            "the socket path `{path}` has {length} bytes, {LONGEST_PATH} are possible; give a shorter --run-dir"
        );
        if std::fs::symlink_metadata(&self.socket).is_ok() {
            anyhow::ensure!(
                std::os::unix::net::UnixStream::connect(&self.socket).is_err(),
                "another process serves the socket `{path}`; stop it or give another --run-dir"
            );
            std::fs::remove_file(&self.socket).with_context(|| format!("cannot remove the stale socket `{path}`"))?;
        }
        let bound = UnixListener::bind(&self.socket).with_context(|| format!("cannot make the socket `{path}`"))?;
        std::fs::set_permissions(&self.socket, std::fs::Permissions::from_mode(0o666))
            .with_context(|| format!("cannot open the socket `{path}` to every user"))?;
        Ok(bound)
    }

    /// Whether the socket's path still leads somewhere; one that vanished must be made again.
    #[must_use]
    pub fn is_there(&self) -> bool {
        std::fs::symlink_metadata(&self.socket).is_ok()
    }
}

#[cfg(test)]
mod tests;
