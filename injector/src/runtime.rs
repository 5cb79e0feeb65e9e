//! What differs between the systems that run workflows. Adding one is adding one file that implements [`Runtime`], and its line in [`of`].

mod argo;
pub mod manifest;
mod native;

use serde_json::Value;

use crate::identity::Identity;
use crate::options::Options;
use crate::pod::{Owner, Pod};
use crate::policy::Reason;

/// A system whose pods are steps of workflows.
pub trait Runtime: Sync {
    /// The name that messages carry.
    fn name(&self) -> &'static str;

    /// Whether its pods are templates in manifests, not made yet.
    fn is_manifest(&self) -> bool {
        false
    }

    /// Whether a pod is one of its steps.
    fn claims(&self, pod: Pod<'_>) -> bool;

    /// By what it knows a pod that it claims, for people: an owner or a label.
    fn evidence(&self, pod: Pod<'_>) -> String;

    /// Why a pod that it claims is no step after all.
    fn refuses(&self, pod: Pod<'_>) -> Option<Reason>;

    /// Whose messages these are. `outer` is the owner of the pod's owner, where it is known.
    fn identity(&self, pod: Pod<'_>, outer: Option<&Owner>, options: &Options) -> Identity;

    /// Whether a container belongs to the system and not to the user.
    fn is_own(&self, container: &Value) -> bool;

    /// The variable that makes the system write a container's output to a file.
    fn switch(&self) -> Option<&'static str> {
        None
    }

    /// How a regular container's output can be had.
    fn capture(&self, container: &Value) -> Capture;
}

/// A way to a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    /// The runtime writes it to a file, once a variable of the container says `true`.
    File {
        /// Where the file is, as the container sees it.
        path: String,
        /// The variable.
        switch: &'static str,
    },
    /// Our binary runs the container's command and passes its output on.
    Wrap,
    /// There is none.
    None(Uncaptured),
}

/// Why a container's output is not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Uncaptured {
    /// The command is the image's, which admission does not know.
    CommandUnknown,
    /// Somebody types into it.
    Interactive,
    /// Its hooks or probes run commands that may count on the process tree.
    ExecHandlers,
    /// It has something of its own where the binary or the output would be.
    PathTaken,
    /// It runs the runtime's own program.
    RuntimeProgram,
    /// Its switch has a value from elsewhere.
    SwitchUnset,
}

impl Uncaptured {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::CommandUnknown => "command_unknown",
            Self::Interactive => "interactive",
            Self::ExecHandlers => "exec_handlers",
            Self::PathTaken => "path_taken",
            Self::RuntimeProgram => "runtime_program",
            Self::SwitchUnset => "switch_unset",
        }
    }
}

/// The uid of the Job whose owner must be known to say whose messages a pod's are; none for most pods.
#[must_use]
pub fn awaited_job(pod: Pod<'_>, options: &Options) -> Option<String> {
    (of(pod)?.name() == native::Native.name()).then(|| native::promised_by(pod, options))?
}

/// The runtime that a pod is a step of; the first one that claims it.
#[must_use]
pub fn of(pod: Pod<'_>) -> Option<&'static dyn Runtime> {
    const RUNTIMES: [&dyn Runtime; 2] = [&argo::Argo, &native::Native];
    RUNTIMES.into_iter().find(|runtime| runtime.claims(pod))
}
