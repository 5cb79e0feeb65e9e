//! What a pod should have in it: everything that is added, worked out from a pod in which nothing of ours is.
//!
//! The plan knows no patch: bringing a pod to what the plan says, from whatever state others left it in, is `patch`'s.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::annotations::{self, Overrides};
use crate::container::Recipe;
use crate::files::{self, Files};
use crate::identity::literal;
use crate::names::{
    BIN_DIR, BIN_VOLUME, INSTALLER, LOGS, LOGS_VARIABLE, MESH_CONTAINERS, RUN_DIR, RUN_VOLUME, SIDECAR, SOCKET, SOCKET_VARIABLE,
    VOLUMES,
};
use crate::note::Note;
use crate::options::{NatsAuth, Options};
use crate::paths;
use crate::pod::{self, Owner, Pod, list, text};
use crate::policy::Reason;
use crate::resources;
use crate::runtime::{Capture, Runtime};
use crate::status::{Status, StepStatus};
use crate::user;

/// A pod of more containers is no workflow step that we know of, and its list would not fit the sidecar's settings.
const MAX_CONTAINERS: usize = 64;
/// Grace period where a pod does not say.
const GRACE_SECONDS: u64 = 30;

/// What is needed beside the pod.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The platform's settings.
    pub options: &'a Options,
    /// The request's namespace; empty where it is only known when the pod is made.
    pub namespace: &'a str,
    /// The runtime that claims the pod.
    pub runtime: &'static dyn Runtime,
    /// The owner of the pod's Job, where it is known.
    pub outer: Option<&'a Owner>,
}

/// What a pod should have in it.
#[derive(Debug)]
pub struct Plan {
    /// The native sidecar.
    pub sidecar: Value,
    /// The init container behind it.
    pub installer: Option<Value>,
    /// Our volumes.
    pub volumes: Vec<Value>,
    /// What is added to the user's containers.
    pub steps: Vec<Step>,
    /// The text of the status annotation.
    pub status: String,
    /// What people should know.
    pub notes: Vec<Note>,
}

/// What is added to one of the user's containers.
#[derive(Debug)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Whether it is an init container.
    pub is_init: bool,
    /// Mounts.
    pub mounts: Vec<Value>,
    /// Variables, which yield to the user's of the same name.
    pub variables: Vec<Value>,
    /// A variable of the runtime that is set to `true`.
    pub switch: Option<&'static str>,
    /// Whether the command gets our prefix.
    pub is_wrapped: bool,
    socket: bool,
    stdout: &'static str,
}

/// Whether a container is part of a mesh.
#[must_use]
pub fn is_mesh(container: &Value, options: &Options) -> bool {
    let name = pod::name(container);
    MESH_CONTAINERS.contains(&name) || options.mesh_containers.iter().any(|mesh| mesh == name)
}

/// Where the sidecar belongs among init containers that are not ours: right behind the last of a mesh, else first.
pub fn position<'a>(init_containers: impl Iterator<Item = &'a Value>, options: &Options) -> usize {
    let meshes = init_containers.enumerate().filter(|(_, container)| is_mesh(container, options));
    meshes.last().map_or(0, |(index, _)| index + 1)
}

/// Makes the plan for a pod in which nothing of ours is.
pub fn make(pod: Pod<'_>, context: Context<'_>) -> Result<Plan, Reason> {
    check_names(pod)?;
    if pod.all_containers().count() > MAX_CONTAINERS {
        return Err(Reason::TooManyContainers);
    }
    if !context.options.native_sidecars {
        return Err(Reason::NativeUnsupported);
    }
    let (mut overrides, mut notes) = annotations::read(pod);
    if overrides.metrics_port.is_some() && pod.spec().get("hostNetwork").and_then(Value::as_bool) == Some(true) {
        overrides.metrics_port = None;
        notes.push(Note::bad_override("metrics-port", "would be a port of the node; not opened on the host's network"));
    }
    let mut files = Files::default();
    let users = Users::of(pod, context);
    let steps = users.steps(pod, context, &overrides, &mut files, &mut notes)?;
    let regular: Vec<&Value> = users.regular.iter().chain(&users.init).copied().collect();
    for file in &overrides.files {
        if !files.follow_override(pod, &regular, file) {
            notes.push(Note::files_not_on_volume(&file.glob));
        }
    }
    let identity = context.runtime.identity(pod, context.outer, context.options);
    if identity.owner_unknown {
        notes.push(Note::owner_unknown());
    }
    let recipe = Recipe {
        options: context.options,
        image: overrides.image.as_deref().unwrap_or(&context.options.image),
        namespace: context.namespace,
        identity: identity.variables(context.namespace, context.runtime.name()),
        settings: settings(pod, &overrides, &steps),
        containers: steps.iter().filter(|step| step.socket).map(|step| step.name.clone()).collect(),
        files: &files,
        install: overrides.install,
        with_binary: steps.iter().any(|step| step.is_wrapped),
        resources: resources::of(pod, &overrides, context.options),
        run_as_user: user::of(pod, &users.regular),
        grace_seconds: pod.spec().get("terminationGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(GRACE_SECONDS),
    };
    let status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runtime: context.runtime.name().to_owned(),
        manifest: context.runtime.is_manifest(),
        nats_auth: Some(context.options.nats_auth)
            .filter(|auth| *auth != NatsAuth::default())
            .map(|auth| auth.as_str().to_owned()),
        steps: steps
            .iter()
            .map(|step| (step.name.clone(), StepStatus { socket: step.socket, stdout: step.stdout.to_owned() }))
            .collect(),
        switched: switched(pod, &steps),
        notes: notes.iter().map(Note::to_string).collect(),
    };
    Ok(Plan {
        sidecar: recipe.sidecar(),
        installer: recipe.installer(),
        volumes: recipe.volumes(),
        status: status.to_text(),
        steps,
        notes,
    })
}

/// Names that others took are never shared: their volume may be smaller, slower or somebody's secret.
fn check_names(pod: Pod<'_>) -> Result<(), Reason> {
    if pod.all_containers().any(|container| [SIDECAR, INSTALLER].contains(&pod::name(container))) {
        return Err(Reason::NameConflict);
    }
    if pod.volumes().iter().any(|volume| VOLUMES.contains(&pod::name(volume))) {
        return Err(Reason::VolumeConflict);
    }
    Ok(())
}

/// The user's own containers.
struct Users<'a> {
    regular: Vec<&'a Value>,
    /// Those that start after the sidecar.
    init: Vec<&'a Value>,
}

impl<'a> Users<'a> {
    fn of(pod: Pod<'a>, context: Context<'_>) -> Self {
        let is_users = |container: &&Value| !is_mesh(container, context.options) && !context.runtime.is_own(container);
        let position = position(pod.init_containers().iter(), context.options);
        Self {
            regular: pod.containers().iter().filter(is_users).collect(),
            init: pod.init_containers().iter().skip(position).filter(is_users).collect(),
        }
    }

    fn steps(
        &self,
        pod: Pod<'_>,
        context: Context<'_>,
        overrides: &Overrides,
        files: &mut Files,
        notes: &mut Vec<Note>,
    ) -> Result<Vec<Step>, Reason> {
        let mut steps = Vec::new();
        for (container, is_init) in
            self.regular.iter().map(|container| (container, false)).chain(self.init.iter().map(|container| (container, true)))
        {
            let socket = has_room(pod, container);
            if !socket {
                notes.push(Note::mount_path_conflict(pod::name(container)));
            }
            let mut step = Step {
                name: pod::name(container).to_owned(),
                is_init,
                mounts: Vec::new(),
                variables: Vec::new(),
                switch: None,
                is_wrapped: false,
                socket,
                stdout: "off",
            };
            if socket {
                step.mounts.push(json!({ "name": RUN_VOLUME, "mountPath": RUN_DIR, "subPath": step.name }));
                step.variables = vec![literal(SOCKET_VARIABLE, SOCKET), literal(LOGS_VARIABLE, LOGS)];
            }
            if !is_init && !overrides.stdout_off {
                step.capture(context.runtime.capture(container), pod, container, files);
            }
            steps.push(step);
        }
        if steps.is_empty() {
            return Err(Reason::NotWorkflowPod);
        }
        // An init container alone is no reason for a sidecar, and whether it starts after ours is for meshes to say.
        if !steps.iter().any(|step| step.socket && !step.is_init) {
            return Err(Reason::MountPathConflict);
        }
        Ok(steps)
    }
}

impl Step {
    fn capture(&mut self, capture: Capture, pod: Pod<'_>, container: &Value, files: &mut Files) {
        self.stdout = match capture {
            Capture::File { path, switch } => {
                if files.follow(pod, container, &path) {
                    self.switch = Some(switch);
                    "file"
                } else {
                    "path_taken"
                }
            }
            Capture::Wrap if self.socket => {
                self.is_wrapped = true;
                self.mounts.push(json!({ "name": BIN_VOLUME, "mountPath": BIN_DIR, "readOnly": true }));
                "wrapped"
            }
            Capture::Wrap => "path_taken",
            Capture::None(why) => why.code(),
        };
    }
}

/// Whether nothing is mounted where the socket and the logs are to be, and the directory for them can be made: not on a volume
/// that is mounted read-only above it, for then the container would not start.
fn has_room(pod: Pod<'_>, container: &Value) -> bool {
    let taken = |path: &str| paths::same(path, RUN_DIR) || paths::below(path, RUN_DIR).is_some();
    let mounts = list(container, "volumeMounts");
    let places = mounts.iter().filter_map(|mount| text(mount, "mountPath"));
    let devices = list(container, "volumeDevices").iter().filter_map(|device| text(device, "devicePath"));
    let above = |mount: &&Value| paths::below(RUN_DIR, text(mount, "mountPath")?).map(|rest| rest.len());
    let holder = mounts.iter().filter(|mount| above(mount).is_some()).min_by_key(|mount| above(mount));
    let is_read_only = |mount: &Value| {
        let mut volumes = pod.volumes().iter().filter(|volume| pod::name(volume) == pod::name(mount));
        mount.get("readOnly").and_then(Value::as_bool) == Some(true) || volumes.any(files::is_read_only)
    };
    !places.chain(devices).any(taken) && !holder.is_some_and(is_read_only)
}

/// Whether a container that ended is started again, so that its exit code is not its last; none where none is.
fn restarts(pod: Pod<'_>) -> Option<String> {
    let own = pod.containers().iter().filter_map(|container| text(container, "restartPolicy"));
    let policies: Vec<&str> = own.chain([text(pod.spec(), "restartPolicy").unwrap_or("Always")]).collect();
    let meaning = [("Always", "always"), ("OnFailure", "on-failure")];
    meaning.into_iter().find(|(policy, _)| policies.contains(policy)).map(|(_, told)| told.to_owned())
}

fn settings(pod: Pod<'_>, overrides: &Overrides, steps: &[Step]) -> Vec<(&'static str, String)> {
    let init: Vec<&str> = steps.iter().filter(|step| step.is_init && step.socket).map(|step| step.name.as_str()).collect();
    let values = [
        // Of these no end is told: a step's end is that of a regular container.
        ("AGENT_COMMS_INIT_CONTAINERS", (!init.is_empty()).then(|| init.join(","))),
        ("AGENT_COMMS_RESTARTS", restarts(pod)),
        ("AGENT_COMMS_AGENT_ID", overrides.agent_id.clone()),
        ("AGENT_COMMS_STAGE", overrides.stage.clone()),
        ("AGENT_COMMS_CHANNEL", overrides.channel.clone()),
        ("AGENT_COMMS_READ", overrides.read_off.then(|| "off".to_owned())),
        ("AGENT_COMMS_RULES", overrides.rules.clone()),
        ("AGENT_COMMS_REDACT", overrides.redact.clone()),
        ("AGENT_COMMS_RATE", overrides.rate.clone()),
        ("AGENT_COMMS_METRICS_PORT", overrides.metrics_port.map(|port| port.to_string())),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The values that switches had before, so that `uninject` can put them back.
fn switched(pod: Pod<'_>, steps: &[Step]) -> BTreeMap<String, Option<String>> {
    let mut switched = BTreeMap::new();
    for step in steps {
        let Some(switch) = step.switch else { continue };
        let container = pod.containers().iter().find(|container| pod::name(container) == step.name);
        let entry = container.and_then(|container| list(container, "env").iter().rev().find(|entry| pod::name(entry) == switch));
        if entry.is_some_and(|entry| entry.get("valueFrom").is_some()) {
            continue;
        }
        let before = entry.map(|entry| text(entry, "value").unwrap_or_default());
        if before != Some("true") {
            switched.insert(step.name.clone(), before.map(str::to_owned));
        }
    }
    switched
}
