//! Free ports of the loopback address.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

/// Below the range from which the kernel takes ports for outgoing connections: a server that is restarted on its port
/// must not find it taken by a client.
const RANGE: std::ops::Range<u32> = 15_000..32_000;

/// A port of 127.0.0.1 that nobody listens on at the moment.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that start at the same time begin at different places.
    let width = RANGE.end - RANGE.start;
    let origin = std::process::id().wrapping_mul(101);
    for _ in 0..width {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = RANGE.start + origin.wrapping_add(step) % width;
        let Ok(port) = u16::try_from(port) else {
            continue;
        };
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
}

/// Whether a server could listen on this port of 127.0.0.1 now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
