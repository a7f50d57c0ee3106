#!/usr/bin/env bash
# `nats req` succeeds when nobody answers (natscli 0.5.1)
#
# Expected: a request that fails is an error like any: exit code 1, as `nats kv get` of a missing key has it. The two ways to fail are known at once
# (no responders) or after --timeout.
#
# Happens: both end with exit code 0 (doReq in cli/req_command.go leaves its loop at a timeout, and returns nil where there are no
# responders). With --raw a timeout prints nothing at all. A health check, an init container or a CI step of the kind `nats req svc.ready "" ||
# exit 1` is always green, also while the service is down.
#
# Versions: natscli 0.5.1, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: nobody listens: 0; nobody answers: 0; a missing key: 1.
#
# For a user: test what is printed (--raw, and not empty), not the exit code.
set -euo pipefail
dir=$(mktemp -d)
server=
finish() {
	if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
	rm -rf "$dir"
}
trap finish EXIT
cd "$dir"
GOBIN=$dir go install github.com/nats-io/natscli/nats@v0.5.1
GOBIN=$dir go install github.com/nats-io/nats-server/v2@v2.15.3
./nats-server -js -sd "$dir/store" -a 127.0.0.1 -p -1 --ports_file_dir "$dir" >/dev/null 2>&1 &
server=$!
for _ in $(seq 100); do
	if ls nats-server_*.ports >/dev/null 2>&1; then break; fi
	sleep 0.1
done
url=$(sed 's/.*"nats":\["\([^"]*\)".*/\1/' nats-server_*.ports)
export XDG_CONFIG_HOME=$dir

cli() { ./nats --no-context --server "$url" "$@"; }

# seen WHAT GOT WANT
seen() {
	echo "$1: $2"
	if [ "$2" != "$3" ]; then
		echo "changed: it was $3"
		exit 1
	fi
}

# code COMMAND... prints the exit code.
code() {
	local code=0
	"$@" >/dev/null 2>&1 || code=$?
	echo "$code"
}

seen "nobody listens" "$(code cli req svc.none x --timeout 1s)" 0
cli sub svc.silent >/dev/null 2>&1 &
silent=$!
sleep 1
seen "nobody answers" "$(code cli req svc.silent x --timeout 1s)" 0
kill "$silent"
cli kv add B >/dev/null
seen "a missing key" "$(code cli kv get B missing)" 1
echo "unchanged"
