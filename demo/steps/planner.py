"""A planner: JSON lines on the socket, which stays open as an agent's would."""

import json
import os
import socket
import sys
import time

PLAN = """I read the ticket and the last three runs. The loss becomes **NaN at step 4**, always.

1. Reproduce it with `--steps 5`
2. Find the learning rate that is used
3. Fix it, and add a guard that stops the run
4. Let the reviewer read the diff

| run | steps | last loss | result |
|---|---:|---:|---|
| nightly-114 | 3 | 2.09 | diverged |
| nightly-115 | 3 | 2.09 | diverged |
| nightly-116 | 3 | 2.08 | diverged |
"""

GUARD = """What I expect of the fix:

```python
if not math.isfinite(loss):
    raise TrainingDiverged(step, loss)
```

- the default moves from `1.0` to `0.03`
- the guard names the step, ~~and restarts the run~~ and leaves the rest to the workflow
"""

RECORDS = [
    {"kind": "status", "content": "reading the ticket"},
    {"kind": "reasoning", "content": "Three nightly runs fail at the same step, so it is not the data: it is deterministic."},
    {
        "kind": "tool_call",
        "tool": {"call_id": "plan-1", "name": "read_ticket", "arguments": {"id": "TRAIN-482"}},
    },
    {
        "kind": "tool_result",
        "tool": {
            "call_id": "plan-1",
            "name": "read_ticket",
            "status": "ok",
            "duration_ms": 412,
            "output": "TRAIN-482: nightly training diverges at step 4",
        },
    },
    {"kind": "message", "role": "assistant", "content": PLAN},
    {"kind": "message", "role": "assistant", "content": GUARD},
    {
        "kind": "message",
        "channel": "general",
        "content": "Taking **TRAIN-482**: the nightly training diverges. The learning rate is the suspect.",
    },
    {
        "kind": "status",
        "content": "plan ready, 4 tasks",
        "attrs": {"plan": [{"text": "reproduce", "completed": False}, {"text": "fix", "completed": False}]},
    },
]


def main():
    pace = float(sys.argv[1])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.connect(os.environ["AGENT_COMMS_SOCKET"])
        for record in RECORDS:
            agent.sendall(json.dumps({"agent_id": "planner", **record}).encode() + b"\n")
            time.sleep(pace)
    print("records", len(RECORDS))


main()
