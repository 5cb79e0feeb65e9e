"""A night watch that talks until it is told to stop: life for whoever looks at the pages."""

import itertools
import json
import os
import random
import signal
import socket
import sys
import time

CHECKS = [
    ("gpu-pool", "nvidia-smi --query-gpu=utilization.gpu", "87 %"),
    ("queue", "kubectl get jobs --field-selector status.active=1", "4 jobs active"),
    ("disk", "df -h /data", "1.2T free"),
    ("latency", "curl -s localhost:9090/latency", "p99 41 ms"),
]


def records(round):
    name, command, output = CHECKS[round % len(CHECKS)]
    call = f"w{round}"
    duration = random.randint(20, 900)
    yield {"kind": "reasoning", "content": f"Round {round}: {name} has not been looked at for a while."}
    yield {"kind": "tool_call", "tool": {"call_id": call, "name": name, "arguments": {"command": command}}}
    result = {"call_id": call, "name": name, "status": "ok", "duration_ms": duration, "output": output}
    yield {"kind": "tool_result", "tool": result, "attrs": {"exit_code": 0}}
    if round % 3 == 2:
        yield {"kind": "message", "content": f"Round **{round}**: {name} is fine ({output})."}
    if round % 5 == 4:
        yield {"kind": "message", "channel": "general", "content": f"Night watch, round {round}: all quiet."}
    if round % 11 == 10:
        yield {"kind": "error", "content": f"{name} answered only at the second try"}


def main():
    pace, rounds = float(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    count = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.connect(os.environ["AGENT_COMMS_SOCKET"])
        for round in range(rounds) if rounds else itertools.count():
            for record in records(round):
                agent.sendall(json.dumps({"agent_id": "watch", **record}).encode() + b"\n")
                count += 1
                time.sleep(pace)
    print("records", count)


main()
