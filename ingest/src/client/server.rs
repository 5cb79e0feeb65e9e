//! Where the API is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a path and in a query (RFC 3986, "unreserved").
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of an API: scheme, host, and the path before `/api` where a proxy adds one.
///
/// What is said travels encrypted, except to this machine: `http` is taken for `localhost` and loopback addresses alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(String);

/// An address that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ServerError {
    /// No address at all.
    #[error("it is no address of a server; give one as https://agent-comms.example.org")]
    NoUrl,
    /// It would travel readable.
    #[error(
        "http to `{0}` would show what is said to everybody on the way; use https, or `kubectl port-forward` and http://127.0.0.1:8080"
    )]
    Plaintext(String),
    /// More than an address.
    #[error("it has a user, a query or a fragment; give scheme, host and path alone, and the token by --token-file")]
    More,
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.trim().parse().map_err(|_| ServerError::NoUrl)?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or(ServerError::NoUrl)?;
        if uri.query().is_some() || text.contains('#') || authority.as_str().contains('@') {
            return Err(ServerError::More);
        }
        match scheme {
            "https" => {}
            "http" if is_this_machine(authority.host()) => {}
            "http" => return Err(ServerError::Plaintext(authority.host().to_owned())),
            _ => return Err(ServerError::NoUrl),
        }
        Ok(Self(format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'))))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Server {
    /// The address of something of the API: the segments of its path, and a query. Any text may stand in either.
    #[must_use]
    pub fn address(&self, segments: &[&str], query: &[(&str, String)]) -> String {
        let mut address = self.0.clone();
        for segment in segments {
            address.push('/');
            address.extend(utf8_percent_encode(segment, ESCAPED));
        }
        for (index, (name, value)) in query.iter().enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            address.extend(utf8_percent_encode(value, ESCAPED));
        }
        address
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
