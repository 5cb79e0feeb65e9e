//! What the demo plays: workflows, their steps and the programs in them.

/// Namespace of every run of the demo.
pub const NAMESPACE: &str = "demo";

/// A workflow whose steps run one after the other.
pub struct Workflow {
    pub name: &'static str,
    pub steps: &'static [Step],
}

/// A step: one pod.
pub struct Step {
    pub name: &'static str,
    pub containers: &'static [Container],
}

/// A container of a step: one unmodified program, its arguments relative to the folder `demo`.
pub struct Container {
    pub name: &'static str,
    pub command: &'static [&'static str],
}

/// The workflows that end.
pub static ENDING: [Workflow; 2] = [
    Workflow {
        name: "fix-training",
        steps: &[
            Step { name: "plan", containers: &[Container { name: "planner", command: &["python3", "steps/planner.py", "0.3"] }] },
            Step {
                name: "code",
                containers: &[
                    Container { name: "codex", command: &["python3", "steps/replay.py", "logs/codex-main.jsonl", "1.2"] },
                    Container { name: "tests", command: &["sh", "steps/tests.sh", "0.4"] },
                ],
            },
            Step { name: "review", containers: &[Container { name: "reviewer", command: &["sh", "steps/reviewer.sh", "0.5"] }] },
            Step {
                name: "answer",
                containers: &[Container { name: "reviewer", command: &["python3", "steps/talk.py", "answer"] }],
            },
        ],
    },
    Workflow {
        name: "training-report",
        steps: &[
            Step {
                name: "research",
                containers: &[Container {
                    name: "gemini",
                    command: &["python3", "steps/replay.py", "logs/gemini-main.jsonl", "1.2"],
                }],
            },
            Step {
                name: "report",
                containers: &[Container { name: "reporter", command: &["python3", "steps/report.py", "0.4"] }],
            },
            // Waits for what the other workflow answers.
            Step { name: "ask", containers: &[Container { name: "reporter", command: &["python3", "steps/talk.py", "ask"] }] },
        ],
    },
];

/// The workflow that talks until the demo ends.
pub static TALKING: [Workflow; 1] = [Workflow {
    name: "night-watch",
    steps: &[Step {
        name: "watch",
        containers: &[Container { name: "watch", command: &["python3", "steps/watch.py", "0.7", "0"] }],
    }],
}];
