//! Debian packages, downloaded with what they depend on and unpacked without being installed: no root is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::python::run;

/// Unpacks packages and whatever of their dependencies `status` does not list as installed. `advice` is what a person is
/// told to do where that fails.
pub(crate) fn unpack(packages: &[&str], status: &Path, directory: &Path, advice: &'static str) -> Result<()> {
    tracing::info!(packages = packages.join(" "), "fetching Debian packages");
    let work = tempfile::Builder::new().prefix(".apt-").tempdir_in(directory).context("cannot make a directory for apt-get")?;
    let apt = Apt::new(work.path(), status)?;
    apt.run(&["update"]).context(advice)?;
    let mut install = vec!["--yes", "--no-install-recommends", "--download-only", "install"];
    install.extend(packages);
    apt.run(&install).context(advice)?;
    let archives = apt.archives()?;
    if archives.is_empty() {
        bail!("apt-get fetched no package, though what is in them is not here: reinstall {}", packages.join(" and "));
    }
    for archive in archives {
        run(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(directory))
            .with_context(|| format!("cannot unpack {}", archive.display()))?;
    }
    Ok(())
}

/// The release of the distribution: what was fetched for one does not fit another.
pub(crate) fn release() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let system = field("ID=").unwrap_or_else(|| "linux".to_owned());
    let version = field("VERSION_ID=").or_else(|| field("VERSION_CODENAME="));
    version.map_or(system.clone(), |version| format!("{system}-{version}"))
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
