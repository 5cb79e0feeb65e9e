//! A certificate and its key in files, which somebody else renews.
//!
//! They are compared by content: the kubelet swaps a symbolic link above them, which watchers of the files never see. A
//! certificate that was read beside the key of another, in the middle of a change, is no error: the next look has both.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::sign::CertifiedKey;

/// Where they are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate with its chain, leaf first, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// What was last read.
#[derive(Debug, Default)]
pub struct Seen(Vec<u8>);

impl Files {
    /// Reads both, or gives none when they are what `seen` has.
    pub fn changed(&self, seen: &mut Seen) -> anyhow::Result<Option<Arc<CertifiedKey>>> {
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()));
        let (certificate, key) = (read(&self.certificate)?, read(&self.key)?);
        let content = [certificate.as_slice(), key.as_slice()].concat();
        if content == seen.0 {
            return Ok(None);
        }
        let certified = super::certified_key(&certificate, &key).with_context(|| {
            format!("certificate `{}` and key `{}` cannot be used", self.certificate.display(), self.key.display())
        })?;
        seen.0 = content;
        Ok(Some(Arc::new(certified)))
    }
}

#[cfg(test)]
mod tests;
