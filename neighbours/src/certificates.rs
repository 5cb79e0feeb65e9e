//! A certificate authority and what it signs, made anew for each run.

#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority with its private key in memory.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, followed by nothing: the authority signs it directly.
    pub certificate_pem: String,
    /// The private key, PKCS #8.
    pub key_pem: String,
}

/// The files of an [`Identity`].
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// Path of the certificate.
    pub certificate: PathBuf,
    /// Path of the private key, readable by its owner alone.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("agent-comms test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("cannot make the authority's key")?;
        let issuer = CertifiedIssuer::self_signed(params, key).context("cannot make the authority")?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate, which clients trust.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its own certificate and key.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { certificate_pem: self.issuer.pem(), key_pem: self.issuer.key().serialize_pem() }
    }

    /// A server's certificate for `localhost`, `127.0.0.1`, `::1` and further host names.
    pub fn server(&self, names: &[&str]) -> Result<Identity> {
        let hosts = ["localhost", "127.0.0.1", "::1"];
        let names: Vec<String> = hosts.iter().chain(names).map(ToString::to_string).collect();
        self.sign(named("agent-comms test server"), names, &[ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// A certificate for `localhost`, `127.0.0.1` and `::1` of a server that is its peers' client too.
    pub fn peer(&self) -> Result<Identity> {
        let hosts = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let usages = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(named("agent-comms test peer"), hosts.to_vec(), &usages)
    }

    /// A client's certificate whose DNS name is the user's name.
    pub fn client(&self, user: &str) -> Result<Identity> {
        self.sign(named(user), vec![user.to_owned()], &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A client's certificate whose common name is the user's and whose organization is its group, as Kubernetes reads
    /// them.
    pub fn member(&self, user: &str, group: &str) -> Result<Identity> {
        let mut name = named(user);
        name.push(DnType::OrganizationName, group);
        self.sign(name, Vec::new(), &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    fn sign(&self, name: DistinguishedName, alternatives: Vec<String>, usages: &[ExtendedKeyUsagePurpose]) -> Result<Identity> {
        let told = format!("{name:?}");
        let mut params = CertificateParams::new(alternatives).with_context(|| format!("{told} is no name for a certificate"))?;
        params.distinguished_name = name;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().with_context(|| format!("cannot make a key for {told}"))?;
        let certificate =
            params.signed_by(&key, &self.issuer).with_context(|| format!("cannot sign the certificate of {told}"))?;
        Ok(Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl Identity {
    /// Writes `NAME.crt` and `NAME.key` into `directory`.
    pub fn write(&self, directory: &Path, name: &str) -> Result<IdentityFiles> {
        let files = IdentityFiles::named(directory, name);
        fs::write(&files.certificate, &self.certificate_pem)
            .with_context(|| format!("cannot write {}", files.certificate.display()))?;
        write_private(&files.key, &self.key_pem)?;
        Ok(files)
    }
}

impl IdentityFiles {
    /// The paths that [`Identity::write`] uses.
    #[must_use]
    pub fn named(directory: &Path, name: &str) -> Self {
        Self { certificate: directory.join(format!("{name}.crt")), key: directory.join(format!("{name}.key")) }
    }
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
