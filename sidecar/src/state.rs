//! What an earlier process left: checkpoint and spool, opened so that in a pod nothing about them ends this process.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::SPOOL_LABEL;
use crate::args::RunArgs;
use crate::checkpoint::{self, Checkpoint, Store};
use crate::spool::{self, Mark, Spool};

/// How long to wait before a state directory that could not be used is tried again.
const STATE_PAUSE: Duration = Duration::from_millis(250);
/// How long a state directory that holds records is waited for before another one is used.
const STATE_PATIENCE: Duration = Duration::from_secs(5);

/// What an earlier process left, and what is wrong with it.
pub struct State {
    /// Where checkpoints go.
    pub store: Store,
    /// The last one.
    pub checkpoint: Checkpoint,
    /// What came through the sockets.
    pub spool: Spool,
    /// Whether an earlier process may have sent something.
    pub resumed: bool,
    /// What may be missing.
    pub gaps: Vec<Gap>,
}

/// Something that may be missing: reason and words.
pub type Gap = (&'static str, String);

/// Opens checkpoint and spool. In a pod nothing about them ends this process: what holds records is given time, then a
/// temporary directory serves as well, and both are tried until one can be used. Nothing when the step ends before.
///
/// # Errors
/// Outside a pod, when the directory cannot be used.
pub async fn open(args: &RunArgs, stop: &CancellationToken) -> anyhow::Result<Option<State>> {
    let elsewhere = std::env::temp_dir().join(format!("agent-comms-{}", std::process::id()));
    let (mut here, mut there) = (Opening::new(&args.state_dir), Opening::new(&elsewhere));
    let started = Instant::now();
    let mut told = false;
    loop {
        let error = match here.open(args.spool_bytes) {
            Err(error) if args.in_pod => error,
            opened => return opened.map(Some),
        };
        let reason = format!("{error:#}");
        if !std::mem::replace(&mut told, true) {
            tracing::error!(error = reason, "the state directory cannot be used; writers wait");
        }
        if !spool_directory(&args.state_dir).exists() || started.elapsed() > STATE_PATIENCE {
            match there.open(args.spool_bytes) {
                Ok(mut state) => {
                    tracing::error!(path = %elsewhere.display(), "another state directory is used");
                    state.gaps.push(("state_unusable", reason));
                    return Ok(Some(state));
                }
                Err(error) => tracing::debug!(error = format!("{error:#}"), "neither can a temporary one"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => {
                tracing::error!(error = reason, "the step ended before the state directory could be used; nothing was accepted");
                return Ok(None);
            }
            () = tokio::time::sleep(STATE_PAUSE) => {}
        }
    }
}

/// A state directory that is being opened: what was found of it is kept while the rest is tried again.
struct Opening<'a> {
    directory: &'a Path,
    /// The checkpoint, whether there was one, and what is wrong with it.
    checkpoint: Option<(Checkpoint, bool, Option<Gap>)>,
}

impl<'a> Opening<'a> {
    fn new(directory: &'a Path) -> Self {
        Self { directory, checkpoint: None }
    }

    fn open(&mut self, spool_bytes: u64) -> anyhow::Result<State> {
        let directory = self.directory;
        let unusable = || {
            format!("cannot use the state directory `{}`; give a --state-dir that this user may write to", directory.display())
        };
        std::fs::create_dir_all(directory).with_context(unusable)?;
        let now_millis = u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis())?;
        let store = Store::new(directory);
        let (checkpoint, had_checkpoint, gap) = match self.checkpoint.take() {
            Some(checkpoint) => checkpoint,
            None => load_checkpoint(&store, now_millis).with_context(unusable)?,
        };
        let newest = checkpoint.generations.get(SPOOL_LABEL).copied();
        let record = checkpoint.sources.iter().find(|record| record.label == SPOOL_LABEL && Some(record.generation) == newest);
        let mark = record.map(|record| Mark { generation: record.generation, position: record.place.offset });
        let (spool, found) = match Spool::open(&spool_directory(directory), spool_bytes, now_millis, mark) {
            Ok(opened) => opened,
            Err(error) => {
                self.checkpoint = Some((checkpoint, had_checkpoint, gap));
                return Err(error);
            }
        };
        let mut gaps = Vec::from_iter(gap);
        match &found {
            spool::Found::Unusable(reason) => {
                tracing::error!(reason, "the spool cannot be used, a new one begins");
                gaps.push(("spool_unusable", format!("the spool cannot be used: {reason}")));
            }
            spool::Found::Nothing if mark.is_some() => {
                gaps.push(("spool_missing", "the spool is gone; what it held and was not sent yet is lost".to_owned()));
            }
            spool::Found::Nothing | spool::Found::Spool => {}
        }
        let resumed = had_checkpoint || found != spool::Found::Nothing;
        Ok(State { store, checkpoint, spool, resumed, gaps })
    }
}

fn load_checkpoint(store: &Store, now_millis: u64) -> std::io::Result<(Checkpoint, bool, Option<Gap>)> {
    Ok(match store.load(now_millis)? {
        checkpoint::Found::Nothing => (Checkpoint::default(), false, None),
        checkpoint::Found::Checkpoint(checkpoint) => (checkpoint, true, None),
        checkpoint::Found::Unusable(reason) => {
            tracing::error!(reason, "the checkpoint cannot be used; everything is read again and marked as possibly sent before");
            let gap = ("checkpoint_unusable", format!("the checkpoint cannot be used: {reason}"));
            (Checkpoint::default(), true, Some(gap))
        }
    })
}

fn spool_directory(directory: &Path) -> PathBuf {
    directory.join("spool")
}
