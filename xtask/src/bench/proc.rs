//! What the system tells of a process.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Time of the processor that a process has had, all its threads.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    ticks(pid, 2)
}

/// Time of the processor that a process and all that it started have had, those included that ended.
pub fn cpu_time_of_all(pid: u32) -> Result<Duration> {
    let mut all = Duration::ZERO;
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        // One that ends meanwhile is counted by its parent from then on.
        let Ok(children) = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) else { continue };
        open.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        all += ticks(pid, 4)?;
    }
    Ok(all)
}

/// The sum of the first so many of: time in the program, in the system, and both of children that ended.
fn ticks(pid: u32, fields: usize) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name, in brackets, may hold anything.
    let (_, values) = stat.rsplit_once(')').with_context(|| format!("{path} has no name"))?;
    let ticks = values.split_whitespace().skip(11).take(fields).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second()))
}

/// Memory of a process, MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What it has in memory now.
    pub now: f64,
    /// The most it ever had.
    pub peak: f64,
}

/// Memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = |name: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{path} has no {name}"))?;
        let kilobytes: u32 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(f64::from(kilobytes) / 1024.0)
    };
    Ok(Memory { now: field("VmRSS:")?, peak: field("VmHWM:")? })
}
