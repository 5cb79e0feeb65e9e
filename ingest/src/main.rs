//! Entry point.

use std::process::ExitCode;

/// The program is static, and musl's own allocator holds one lock for all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    ingest::program::main().await
}
