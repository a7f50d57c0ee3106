#!/usr/bin/env python3
"""A phub worker in Python: it counts, and knows whether it is active.

    phub child start hits --kind exec --arg command=./examples/exec/worker.py \
        --replicas 2 --model active_passive --signal all
    phub req hits inc
"""
import json
import os
import sys

count = 0
mode, epoch = os.environ["PHUB_MODE"], int(os.environ["PHUB_EPOCH"])


def log(text):
    """Everything on stderr goes to the log of the node."""
    print(text, file=sys.stderr, flush=True)


def send(line):
    """Everything on stdout is for phub: one JSON object a line, flushed."""
    print(json.dumps(line), flush=True)


def handle(request):
    global count
    command = request.get("data", "").strip()
    if command not in ("", "inc", "get"):
        return {"error": {"code": 400, "message": f"found {command!r}, expected inc or get"}}
    if command != "get":
        count += 1
    answer = {"child": os.environ["PHUB_CHILD"], "node": os.environ["PHUB_NODE"],
              "epoch": request["epoch"], "count": count}
    return {"data": json.dumps(answer)}


log(f"started, {mode} in epoch {epoch}")
for text in sys.stdin:  # ends when phub closes stdin: the replica is to stop
    line = json.loads(text)
    if line["type"] == "mode":
        mode, epoch = line["mode"], line["epoch"]
        log(f"now {mode} in epoch {epoch}: {line['reason']}")
    elif line["type"] == "request":
        send({"type": "reply", "id": line["id"], **handle(line)})
log("stopped")
