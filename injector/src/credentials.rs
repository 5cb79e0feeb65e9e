//! `agent-comms-injector credentials`: the certificate of a namespace's sidecars, and what NATS must let its user do.
//!
//! The server takes a user's name from the certificate's DNS name (`verify_and_map`), and binds it to the namespace by that
//! user's permissions. So a namespace's Secret lets nobody speak for another one.

#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use message::escape::escape_namespace;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::names::{ANNOTATION_PREFIX, NATS_VOLUME};
use crate::offline::change::Output;
use crate::offline::yaml;

/// Longest name of a namespace (RFC 1123, a label).
const NAMESPACE_LIMIT: usize = 63;
/// A server whose clock is this far behind takes a certificate that was just made.
const CLOCK_SKEW: Duration = Duration::minutes(5);

/// Settings of `credentials`.
#[derive(Debug, Args)]
pub struct CredentialsArgs {
    /// Namespace whose sidecars get them
    #[arg(value_parser = namespace)]
    pub namespace: String,
    /// Certificate of the authority that NATS trusts for clients, a PEM file
    #[arg(long, value_name = "FILE", required_unless_present = "permissions")]
    pub ca_cert: Option<PathBuf>,
    /// Its private key, a PEM file
    #[arg(long, value_name = "FILE", required_unless_present = "permissions")]
    pub ca_key: Option<PathBuf>,
    /// Days that the certificate is valid; not longer than its authority
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub days: u16,
    /// Name of the user in NATS
    #[arg(long, value_name = "NAME", default_value = "NAMESPACE.publisher")]
    pub user: String,
    /// Print what NATS' settings must say of the user, and make nothing
    #[arg(long)]
    pub permissions: bool,
    /// Form of the Secret
    #[arg(short, long, default_value = "yaml", value_name = "FORM")]
    pub output: Output,
}

/// An authority's certificate and key, both PEM.
struct Authority<'a> {
    certificate: &'a str,
    key: &'a str,
}

/// A certificate that was made.
struct Made {
    certificate: String,
    key: String,
    expires: OffsetDateTime,
    is_cut: bool,
}

/// Prints the Secret or the permissions.
pub fn run(arguments: &CredentialsArgs) -> Result<ExitCode> {
    let user = arguments.user.replace("NAMESPACE", &arguments.namespace);
    let mut out = io::stdout().lock();
    if arguments.permissions {
        serde_json::to_writer_pretty(&mut out, &permissions(&arguments.namespace, &user))?;
        writeln!(out).context("cannot write the permissions")?;
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(certificate), Some(key)) = (&arguments.ca_cert, &arguments.ca_key) else {
        bail!("--ca-cert and --ca-key are needed");
    };
    let (certificate, key) = (read(certificate)?, read(key)?);
    let authority = Authority { certificate: &certificate, key: &key };
    let made = make(&authority, &user, OffsetDateTime::now_utc(), Duration::days(arguments.days.into()))?;
    let expires = made.expires.format(&Rfc3339)?;
    let secret = secret(&arguments.namespace, &made, &certificate, &expires);
    match arguments.output {
        Output::Yaml => write!(out, "{}", yaml::block(&secret)),
        Output::Json => serde_json::to_string_pretty(&secret).map_err(io::Error::from).and_then(|text| writeln!(out, "{text}")),
    }
    .context("cannot write the Secret")?;
    let cut = if made.is_cut { ", as long as its authority" } else { "" };
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(io::stderr(), "NATS user {user}, valid until {expires}{cut}; make it anew before then"));
    Ok(ExitCode::SUCCESS)
}

/// What a publisher of one namespace may do: speak for its runs, in its own voice in the general channel, and hear that channel.
#[must_use]
pub fn permissions(namespace: &str, user: &str) -> Value {
    let token = escape_namespace(namespace);
    json!({
        "user": user,
        "permissions": {
            "publish": {
                "allow": [
                    format!("workflow.{token}.>"),
                    format!("workflow.general.*.{token}.>"),
                    "agent-comms.read.general",
                ],
            },
            "subscribe": { "allow": ["workflow.general.>", format!("_INBOX_{namespace}.>")] },
        },
    })
}

fn secret(namespace: &str, made: &Made, authority: &str, expires: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": NATS_VOLUME,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/part-of": "agent-comms" },
            "annotations": { format!("{ANNOTATION_PREFIX}expires"): expires },
        },
        "type": "kubernetes.io/tls",
        "stringData": { "tls.crt": made.certificate, "tls.key": made.key, "ca.crt": authority },
    })
}

fn make(authority: &Authority<'_>, user: &str, now: OffsetDateTime, lifetime: Duration) -> Result<Made> {
    let key = KeyPair::from_pem(authority.key).context("the authority's key cannot be used")?;
    let last = check_authority(authority.certificate, &key, now)?;
    let issuer = Issuer::from_ca_cert_pem(authority.certificate, key).context("the authority's certificate cannot be used")?;
    let mut params =
        CertificateParams::new([user.to_owned()]).with_context(|| format!("`{user}` is no name for a certificate"))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, user);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let expires = (now + lifetime).min(last);
    (params.not_before, params.not_after) = (now - CLOCK_SKEW, expires);
    let key = KeyPair::generate().context("cannot make a key")?;
    let certificate = params.signed_by(&key, &issuer).context("cannot sign the certificate")?;
    Ok(Made { certificate: certificate.pem(), key: key.serialize_pem(), expires, is_cut: last < now + lifetime })
}

/// Until when the authority is valid. A certificate that the server would refuse is not made.
fn check_authority(pem: &str, key: &KeyPair, now: OffsetDateTime) -> Result<OffsetDateTime> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).context("the authority's certificate is no PEM")?;
    let (_, certificate) = X509Certificate::from_der(&block.contents).context("the authority's certificate cannot be read")?;
    ensure!(certificate.is_ca(), "the certificate is no authority's: it may sign no other");
    ensure!(certificate.public_key().raw == key.subject_public_key_info(), "the key is not that of the authority's certificate");
    let last = certificate.validity().not_after.to_datetime();
    ensure!(last > now, "the authority's certificate has expired: {last}");
    Ok(last)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

fn namespace(text: &str) -> Result<String, String> {
    let is_inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = !text.is_empty()
        && text.len() <= NAMESPACE_LIMIT
        && text.bytes().all(is_inside)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if !is_name {
        return Err("is no name of a namespace".to_owned());
    }
    if text == message::UNKNOWN {
        // Of a subject that names no namespace, the message's own word is taken.
        return Err("means in subjects that the namespace is not known: whoever may publish there speaks for any; run the \
                    workflows in a namespace of another name"
            .to_owned());
    }
    Ok(text.to_owned())
}
