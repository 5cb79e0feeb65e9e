//! Which names may reach an open server.
//!
//! A page of any web site can make its visitor's browser ask `http://its-own-name/`, and let that name point to this
//! machine. An open server therefore answers only to names that cannot be pointed elsewhere.

use std::net::{IpAddr, SocketAddr};

use anyhow::ensure;

/// Refuses an address that others can reach: there is no access control that would protect what it shows.
///
/// # Errors
/// When the address is not of this machine alone.
pub fn check_open(address: SocketAddr) -> anyhow::Result<()> {
    ensure!(
        address.ip().is_loopback(),
        "cannot serve openly on `{address}`, which other machines reach; listen on a loopback address as 127.0.0.1:8080 \
         and put a proxy that checks who asks before it"
    );
    Ok(())
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
