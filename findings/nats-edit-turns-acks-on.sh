#!/usr/bin/env bash
# Any edit of a stream with the nats CLI turns its acknowledgements on (natscli 0.5.1)
#
# Expected: `nats stream edit REQ --description …` changes the description; what isn't named stays, as it does for limits, subjects and flags.
#
# Happens: --ack has the default true and is taken as given (copyAndEditStream in cli/stream_command.go), so no_ack goes. A stream has no_ack above
# all where it records requests that somebody else answers. From the edit on the server acknowledges each request to the requester's inbox,
# before the service can: the first answer to each request is {"stream":"REQ","seq":…}, and the real one comes too late. The edit shows
# the difference before it asks, among others, and with --force after it is too late to say no.
#
# Versions: natscli 0.5.1, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: before: no_ack true, answer noon; after a new description: none, answer {"stream":"REQ","seq":2}.
#
# For a user: add --no-ack to each edit of such a stream, or edit with --config.
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

no_ack() { cli stream info REQ --json | grep -o '"no_ack": *[a-z]*' || echo none; }
ask() { cli req svc.time now --raw --timeout 5s 2>/dev/null | tr -d ' '; }

cli stream add REQ --subjects 'svc.>' --no-ack --defaults >/dev/null
cli reply svc.time --command "sh -c 'sleep 0.3; echo noon'" >/dev/null 2>&1 &
service=$!
sleep 1
seen "no_ack" "$(no_ack)" '"no_ack": true'
seen "answer" "$(ask)" noon
cli stream edit REQ --description 'requests of the last day' --force >/dev/null
seen "no_ack after a new description" "$(no_ack)" none
seen "answer" "$(ask)" '{"stream":"REQ","seq":2}'
kill "$service"
echo "unchanged"
