#!/usr/bin/env bash
# An empty value for `nats kv put` is read from standard input, with the rest of the script's list (natscli 0.5.1)
#
# Expected: `nats kv put FLAGS key ""` stores an empty value: it is given, though empty. `nats pub subject ""` sends an empty body.
#
# Happens: an empty argument counts as none, and without a terminal the value is then read from standard input up to its end (valOrReadVal in
# cli/kv_command.go; create and update too). In `while read key; do nats kv put FLAGS "$key" ""; done <keys` the first put swallows the rest
# of the list and stores it as the value of the first key; the loop ends after one round with exit code 0. With an input that stays open, as some
# runners of jobs have it, the command waits for ever. At a terminal it works.
#
# Versions: natscli 0.5.1, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: three keys to put: keys: a; value of a: b c.
#
# For a user: </dev/null behind each put whose value may be empty.
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

cli kv add FLAGS >/dev/null
printf 'a\nb\nc\n' >keys
while read -r key; do
	cli kv put FLAGS "$key" "" >/dev/null
done <keys
seen "keys" "$(cli kv ls FLAGS 2>/dev/null | tr '\n' ' ')" 'a '
seen "value of a" "$(cli kv get FLAGS a --raw | tr '\n' ' ')" 'b c '
cli kv put FLAGS d "" </dev/null >/dev/null
seen "value of d, without input" "$(cli kv get FLAGS d --raw)" ''
seen "published with an empty body" "$(printf x | cli pub s "" 2>&1 | grep -o '[0-9]* bytes')" '0 bytes'
echo "unchanged"
