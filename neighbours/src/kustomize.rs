//! kustomize, which renders directories of manifests: the very version that `kubectl apply -k` of our Kubernetes has built in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Cache;
use crate::go::{self, Go};

/// The version in `go.mod`.
const VERSION: &str = "5.8.1";
const PACKAGE: &str = "sigs.k8s.io/kustomize/kustomize/v5";

const MODULE: [(&str, &str); 3] = [
    ("go.mod", include_str!("../kustomize/go.mod")),
    ("go.sum", include_str!("../kustomize/go.sum")),
    ("tools.go", include_str!("../kustomize/tools.go")),
];

/// The program, built from Go modules into the user's cache the first time.
pub fn program() -> Result<PathBuf> {
    Ok(of(&Cache::of_user()?.entry(&format!("kustomize-{VERSION}"), make)?))
}

/// What a directory with a `kustomization.yaml` becomes: a stream of YAML documents.
pub fn build(directory: &Path) -> Result<String> {
    let output = Command::new(program()?).arg("build").arg(directory).output().context("cannot run kustomize")?;
    if !output.status.success() {
        bail!("kustomize build {}: {}", directory.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("kustomize wrote no text")
}

fn of(directory: &Path) -> PathBuf {
    directory.join("kustomize")
}

fn make(directory: &Path) -> Result<()> {
    tracing::info!("building kustomize {VERSION}, once");
    let scratch =
        tempfile::Builder::new().prefix(".build-").tempdir_in(directory).context("cannot make a directory to build in")?;
    let module = scratch.path().join("module");
    go::write_module(&module, &MODULE)?;
    Go::find(scratch.path())?.build(&module, PACKAGE, "-s -w", &of(directory))
}
