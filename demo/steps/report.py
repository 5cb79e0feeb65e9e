"""A report step: a log of its own in JSON lines, appended to a file that is closed after each."""

import json
import os
import sys
import time

TABLE = """## Training, last seven days

| model | runs | failed | median loss |
|---|---:|---:|---:|
| small | 14 | 0 | 1.42 |
| base | 7 | 3 | 1.18 |
| large | 2 | 0 | 0.97 |

The failures of *base* have one cause, see `TRAIN-482`.
"""

RECORDS = [
    {"level": "info", "kind": "status", "content": "collecting metrics"},
    {"kind": "tool_call", "tool": {"call_id": "q1", "name": "sql", "arguments": {"query": "select model, count(*) from runs group by 1"}}},
    {"kind": "tool_result", "tool": {"call_id": "q1", "name": "sql", "status": "ok", "duration_ms": 86, "output": "small 14\nbase 7\nlarge 2"}},
    {"kind": "error", "content": "the metrics of run `nightly-116` are incomplete: 3 of 1000 steps"},
    {"kind": "message", "role": "assistant", "content": TABLE},
    {"kind": "message", "channel": "general", "content": "The weekly training report is ready: 23 runs, 3 failed."},
]


def main():
    pace = float(sys.argv[1])
    path = os.path.join(os.environ["AGENT_COMMS_LOGS"], "report.jsonl")
    for record in RECORDS:
        with open(path, "a") as log:
            log.write(json.dumps({"agent_id": "reporter", **record}) + "\n")
        time.sleep(pace)
    print("records", len(RECORDS))


main()
