//! How many files may be open at once.

/// Descriptors that are left for sockets, the spool, the checkpoint and the connection to the server.
const HEADROOM: u64 = 128;
/// Beyond this many files closing the idle ones costs less than the kernel's memory for them.
const MOST: u64 = 32 * 1024;

/// Raises the limit of open files as far as the system lets it, and gives how many of them followed files may use.
#[must_use]
pub fn raise() -> usize {
    let usable = service::descriptors::raise_limit().unwrap_or(u64::MAX).saturating_sub(HEADROOM).clamp(8, MOST);
    usize::try_from(usable).unwrap_or(usize::MAX)
}
