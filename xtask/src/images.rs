//! `cargo xtask images`: the three images of the Dockerfile, from programs that are built here.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{release, stage};

/// Target of the Dockerfile, name of its image, and the one program in it.
const IMAGES: [(&str, &str, &str); 3] = [
    ("sidecar", "agent-comms", "agent-comms"),
    ("injector", "agent-comms-injector", "agent-comms-injector"),
    ("ingest", "agent-comms-ingest", "agent-comms-ingest"),
];
/// An image that is larger holds something that it should not.
const LIMIT: u64 = 15 << 20;

/// Arguments of `cargo xtask images`.
#[derive(Args)]
pub struct Arguments {
    /// Tag of the images
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// Also writes each image as an archive, in the format of OCI, into this directory
    #[arg(long, value_name = "DIR")]
    archives: Option<PathBuf>,
    /// Storage driver of buildah; `vfs` works where nothing can be mounted
    #[arg(long, default_value = "vfs", value_name = "DRIVER")]
    storage_driver: String,
    /// Form of the report
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Builds the programs and the images, and shows their sizes.
pub fn run(arguments: &Arguments) -> Result<()> {
    let programs = TempDir::new()?;
    stage::run("static programs", || gather(programs.path()))?;
    let mut made = Vec::new();
    for (target, name, program) in IMAGES {
        let size = std::fs::metadata(programs.path().join(program))?.len();
        ensure!(size < LIMIT, "{program} has {} MiB, more than an image may have", size >> 20);
        let image = format!("{name}:{}", arguments.tag);
        stage::run(&format!("image {image}"), || build(arguments, target, &image, programs.path()))?;
        made.push(json!({ "image": image, "bytes": size }));
    }
    let mut out = std::io::stdout().lock();
    show(&mut out, &made, arguments.output).context("cannot write the report")
}

fn show(out: &mut impl Write, made: &[Value], output: Output) -> std::io::Result<()> {
    if output == Output::Json {
        return writeln!(out, "{}", Value::from(made));
    }
    for image in made {
        let bytes = image["bytes"].as_u64().unwrap_or_default();
        let tenths = bytes * 10 / (1 << 20);
        writeln!(out, "{}  {}.{} MiB", image["image"].as_str().unwrap_or_default(), tenths / 10, tenths % 10)?;
    }
    Ok(())
}

/// Builds the programs and puts them where the Dockerfile's first stage would have them.
fn gather(directory: &Path) -> Result<()> {
    for program in [release::build_sidecar()?].into_iter().chain(release::build_servers()?) {
        let name = program.file_name().context("a program has no name")?;
        let copy = directory.join(name);
        std::fs::copy(&program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o555))?;
    }
    Ok(())
}

fn build(arguments: &Arguments, target: &str, image: &str, programs: &Path) -> Result<()> {
    let repository = release::repository()?;
    // The context is empty but for the Dockerfile: everything else comes from the programs.
    let context = TempDir::new()?;
    let mut command = buildah(arguments);
    command.args(["build", "--quiet", "--isolation", "chroot", "--target", target, "--tag", image]);
    command.arg("--build-context").arg(format!("programs={}", programs.display()));
    command.arg("--file").arg(repository.join("Dockerfile")).arg(context.path());
    finish(command)?;
    let Some(archives) = &arguments.archives else { return Ok(()) };
    std::fs::create_dir_all(archives).with_context(|| format!("cannot make {}", archives.display()))?;
    let mut command = buildah(arguments);
    let archive = archives.join(format!("{}.tar", image.replace(':', "-")));
    // What an earlier run wrote would be added to.
    if archive.exists() {
        std::fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
    }
    command.args(["push", "--quiet", image]).arg(format!("oci-archive:{}:{image}", archive.display()));
    finish(command)
}

fn buildah(arguments: &Arguments) -> Command {
    let mut command = Command::new("buildah");
    command.args(["--storage-driver", &arguments.storage_driver]);
    command
}

fn finish(mut command: Command) -> Result<()> {
    let output = command.output().context("cannot run buildah; Debian's package `buildah` has it")?;
    if !output.status.success() {
        bail!("buildah failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
