//! The kinds of Argo Workflows, as its own complete definitions describe them. No controller runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::Cache;
use crate::go::Go;

const VERSION: &str = "4.0.5";
const MODULE: &str = "github.com/argoproj/argo-workflows/v4";
const SUM: &str = "h1:/1lru5oXUd+k6KEDUps6rLX5OKfi1jTfabgXTly/VFU=";
/// Where the module has the definitions that know every field; those beside them keep what they do not know.
const DEFINITIONS: &str = "manifests/base/crds/full";

/// A directory with a file `argoproj.io_PLURAL.yaml` for each kind, a `CustomResourceDefinition`. Kept in the user's cache.
pub fn definitions() -> Result<PathBuf> {
    Cache::of_user()?.entry(&format!("argo-workflows-{VERSION}-definitions"), make)
}

fn make(directory: &Path) -> Result<()> {
    tracing::info!("fetching the kinds of Argo Workflows {VERSION}");
    let scratch = tempfile::Builder::new()
        .prefix(".download-")
        .tempdir_in(directory)
        .context("cannot make a directory for the download")?;
    let go = Go::find(scratch.path())?;
    let module = go.download(&scratch.path().join("module"), MODULE, &format!("v{VERSION}"), SUM)?;
    let definitions = module.join(DEFINITIONS);
    let files = fs::read_dir(&definitions).with_context(|| format!("{MODULE} has no {DEFINITIONS}"))?;
    for file in files {
        let file = file?;
        let name = file.file_name();
        if name.to_string_lossy().starts_with("argoproj.io_") {
            // The text alone: the module's files may not be written to.
            let text = fs::read(file.path()).with_context(|| format!("cannot read {}", file.path().display()))?;
            fs::write(directory.join(&name), text).with_context(|| format!("cannot write {}", name.display()))?;
        }
    }
    Ok(())
}
