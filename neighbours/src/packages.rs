//! Debian packages, downloaded with what they depend on and unpacked without being installed: no root is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::python::run;

const PACKAGES: [&str; 3] = ["chromium", "chromium-driver", "fonts-dejavu-core"];
const ADVICE: &str = "cannot fetch Chromium with apt-get: install the packages chromium and chromium-driver (apt-get install chromium chromium-driver)";

/// Unpacks the browser, its driver and whatever of their dependencies `status` does not list as installed.
pub(super) fn unpack(status: &Path, directory: &Path) -> Result<()> {
    tracing::info!("fetching Chromium and its driver (Debian packages)");
    let work = tempfile::Builder::new().prefix(".apt-").tempdir_in(directory).context("cannot make a directory for apt-get")?;
    let apt = Apt::new(work.path(), status)?;
    apt.run(&["update"]).context(ADVICE)?;
    let mut install = vec!["--yes", "--no-install-recommends", "--download-only", "install"];
    install.extend(PACKAGES);
    apt.run(&install).context(ADVICE)?;
    let archives = apt.archives()?;
    if archives.is_empty() {
        bail!(
            "apt-get fetched no package, though neither chromium nor chromedriver runs: reinstall chromium and chromium-driver"
        );
    }
    for archive in archives {
        run(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(directory))
            .with_context(|| format!("cannot unpack {}", archive.display()))?;
    }
    Ok(())
}

/// An apt-get with lists and downloads of its own; it only reads what the machine has installed.
struct Apt {
    options: Vec<String>,
    archives: PathBuf,
}

impl Apt {
    fn new(work: &Path, status: &Path) -> Result<Self> {
        let (state, cache) = (work.join("state"), work.join("cache"));
        let archives = cache.join("archives");
        for directory in [state.join("lists/partial"), archives.join("partial")] {
            fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let options = vec![
            format!("Dir::State={}", state.display()),
            format!("Dir::State::lists={}", state.join("lists").display()),
            format!("Dir::State::status={}", status.display()),
            format!("Dir::Cache={}", cache.display()),
            format!("Dir::Cache::archives={}", archives.display()),
            "Debug::NoLocking=1".to_owned(),
            // The account that apt-get changes to for downloads, as root, cannot reach the cache.
            "APT::Sandbox::User=root".to_owned(),
        ];
        Ok(Self { options, archives })
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("apt-get");
        command.arg("-qq").env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        for option in &self.options {
            command.args(["-o", option]);
        }
        run(command.args(arguments))
    }

    fn archives(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.archives)?.collect::<Result<Vec<_>, _>>()?;
        let paths = entries.into_iter().map(|entry| entry.path());
        Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect())
    }
}
