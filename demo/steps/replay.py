"""Writes an agent's recorded event log line by line, at the pace at which the agent wrote it."""

import datetime
import json
import os
import pathlib
import sys
import time


def messages(events):
    """How many messages a log means, told from its events alone.

    Each event is one, but Gemini's text comes in pieces that are one message together, and its list of tasks is a
    message beside the call that wrote it.
    """
    pieces = [event["type"] == "message" and event["role"] == "assistant" for event in events]
    joined = sum(piece and before for before, piece in zip(pieces, pieces[1:]))
    plans = sum(event.get("tool_name") == "write_todos" for event in events)
    return len(events) - joined + plans


def main():
    log = pathlib.Path(sys.argv[1])
    speed = float(sys.argv[2])
    lines = log.read_text().removesuffix("\n").split("\n")
    stamps = log.with_suffix(".times").read_text().split()
    times = [datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")) for stamp in stamps]
    begin = time.monotonic()
    with open(os.path.join(os.environ["AGENT_COMMS_LOGS"], log.name), "a", buffering=1) as output:
        for line, at in zip(lines, times):
            due = begin + (at - times[0]).total_seconds() / speed
            time.sleep(max(0.0, due - time.monotonic()))
            output.write(line + "\n")
    print("records", messages([json.loads(line) for line in lines]))


main()
