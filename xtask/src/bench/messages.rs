//! Messages as sidecars publish them, made beforehand, in the files that the bare publisher reads: subject, id and body, each
//! after its length as four bytes, big-endian.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;

use super::lines::{self, Format};

/// What the messages are.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many.
    pub count: usize,
    /// How many runs of one step say them in turn.
    pub runs: usize,
    /// Bytes of each body.
    pub bytes: usize,
    /// Another one makes other ids.
    pub salt: u64,
}

/// Bytes of a body beside its content.
const HEAD: usize = 602;

/// The uid of a run.
pub fn uid(run: usize) -> String {
    format!("8f14e45f-ceea-467f-9575-1fbd0f1a{run:04x}")
}

/// Writes them.
pub fn write(path: &Path, shape: Shape) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    // Their length counts their line end.
    let text = lines::make(Format::Text, shape.bytes.saturating_sub(HEAD).max(16) + 1, shape.count);
    let mut random = shape.salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for (number, content) in text.lines().enumerate() {
        let id = id(&mut random);
        let (run, seq) = (number % shape.runs, number / shape.runs + 1);
        let subject = format!("workflow.demo.build-{run:04}.{}.agent.codex.log", uid(run));
        let body = body(run, seq, &id, content);
        for part in [subject.as_bytes(), id.as_bytes(), body.as_bytes()] {
            file.write_all(&u32::try_from(part.len())?.to_be_bytes())?;
            file.write_all(part)?;
        }
    }
    Ok(file.flush()?)
}

fn body(run: usize, seq: usize, id: &str, content: &str) -> String {
    let (uid, start) = (uid(run), seq * 300);
    let end = start + content.len() + 1;
    format!(r#"{{"v":1,"id":"{id}","workflow_namespace":"demo","workflow_name":"build-{run:04}","workflow_uid":"{uid}","#)
        + &format!(
            r#""step_id":"compile","pod":"build-{run:04}-x7k2p","container":"main","source":{{"pod_uid":"45c48cce-2e2d-4fbd-8a1c-3f0a9b1c{run:04x}","#
        )
        + &format!(r#""label":"main:/run/agent-comms/logs/step.log","generation":1,"start":{start},"end":{end},"part":0}},"#)
        + &format!(r#""agent_id":"codex","role":"assistant","kind":"log","timestamp":"2026-05-04T10:00:00.123456Z","seq":{seq},"#)
        + &format!(r#""content":"{content}","attrs":{{"worker":3,"module":"core"}},"runtime":"native"}}"#)
}

/// A random UUID of version 8, as ids of messages are.
fn id(random: &mut u64) -> String {
    let mut next = || {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random
    };
    let (high, low) = (next() & 0xffff_ffff_ffff_0fff | 0x8000, next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000);
    let text = format!("{high:016x}{low:016x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}
