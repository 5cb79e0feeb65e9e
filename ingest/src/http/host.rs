//! What a server may listen on, and which names may reach an open one.
//!
//! A page of any web site can make its visitor's browser ask `http://its-own-name/`, and let that name point to this
//! machine. An open server therefore answers only to names that cannot be pointed elsewhere.

use std::net::IpAddr;

use anyhow::ensure;
use hyper::Uri;
use hyper::header::{HOST, HeaderMap};

use crate::args::access::Mode;
use crate::args::serving::ServingArgs;

/// Refuses an address that others can reach where anybody could read what is served there, or what is on its way.
///
/// # Errors
/// When the address is not of this machine alone, and access or encryption is missing.
pub fn check_reach(serving: &ServingArgs, access: Mode) -> anyhow::Result<()> {
    let address = serving.listen;
    if address.ip().is_loopback() {
        return Ok(());
    }
    ensure!(
        access != Mode::Open,
        "cannot serve openly on `{address}`, which other machines reach; give --access kubernetes or proxy, or listen on a \
         loopback address as 127.0.0.1:8080"
    );
    ensure!(
        serving.tls_cert.is_some() || serving.behind_tls,
        "cannot serve without TLS on `{address}`, which other machines reach; give --tls-cert and --tls-key, or --behind-tls \
         where a proxy or a mesh encrypts the way to it"
    );
    Ok(())
}

/// The name that a request is for, with its port: of HTTP/2 in the address, of HTTP/1.1 in a header.
#[must_use]
pub fn of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let of_header = || headers.get(HOST).and_then(|host| host.to_str().ok());
    uri.authority().map(hyper::http::uri::Authority::as_str).or_else(of_header).unwrap_or_default()
}

/// Whether a `Host`, with any port or none, means this machine whatever a name server says.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse().is_ok_and(|address: std::net::Ipv6Addr| address.is_loopback()),
        None => name.parse().is_ok_and(|address: IpAddr| address.is_ipv4() && address.is_loopback()),
    }
}

#[cfg(test)]
mod tests;
