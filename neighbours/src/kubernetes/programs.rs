//! Where the programs of Kubernetes come from.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::go::{self, Go};
use crate::{Cache, version};

/// A directory with both programs, as the tests of other Kubernetes projects have it.
const ASSETS: &str = "KUBEBUILDER_ASSETS";
/// The version in `go.mod`.
const VERSION: &str = "1.36.3";
/// The first version where native sidecars are stable.
const MINIMUM: (u32, u32) = (1, 33);

const MODULE: [(&str, &str); 3] = [
    ("go.mod", include_str!("../../kubernetes/go.mod")),
    ("go.sum", include_str!("../../kubernetes/go.sum")),
    ("tools.go", include_str!("../../kubernetes/tools.go")),
];

/// The programs of an API server.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `kube-apiserver`.
    pub api_server: PathBuf,
    /// `etcd`.
    pub etcd: PathBuf,
}

/// The programs in `KUBEBUILDER_ASSETS` if that is set, else those in the user's cache, built there from Go modules the
/// first time, which takes minutes.
pub fn programs() -> Result<Programs> {
    match env::var_os(ASSETS).filter(|assets| !assets.is_empty()) {
        Some(assets) => check(Programs::of(Path::new(&assets)))
            .with_context(|| format!("{ASSETS} is set; unset it, so that the programs are built instead")),
        None => Ok(Programs::of(&Cache::of_user()?.entry(&format!("kubernetes-{VERSION}"), build)?)),
    }
}

impl Programs {
    fn of(directory: &Path) -> Self {
        Self { api_server: directory.join("kube-apiserver"), etcd: directory.join("etcd") }
    }
}

fn build(directory: &Path) -> Result<()> {
    tracing::info!("building the Kubernetes API server {VERSION} and etcd, once; the first time this takes 8 minutes on 2 cores");
    let scratch =
        tempfile::Builder::new().prefix(".build-").tempdir_in(directory).context("cannot make a directory to build in")?;
    let module = scratch.path().join("module");
    go::write_module(&module, &MODULE)?;
    let go = Go::find(scratch.path())?;
    let programs = Programs::of(directory);
    go.build(&module, "go.etcd.io/etcd/server/v3", "-s -w", &programs.etcd)?;
    let flags = format!("-s -w -X k8s.io/component-base/version.gitVersion=v{VERSION}");
    go.build(&module, "k8s.io/kubernetes/cmd/kube-apiserver", &flags, &programs.api_server)?;
    check(programs).map(drop)
}

fn check(programs: Programs) -> Result<Programs> {
    if !programs.etcd.is_file() {
        bail!("{} is no program", programs.etcd.display());
    }
    match version::printed(&programs.api_server) {
        Some(version) if version >= MINIMUM => Ok(programs),
        Some((major, minor)) => bail!("{} is {major}.{minor}: too old", programs.api_server.display()),
        None => bail!("{} does not run", programs.api_server.display()),
    }
}
