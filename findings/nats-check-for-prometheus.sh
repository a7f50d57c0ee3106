#!/usr/bin/env bash
# A failed check of the nats CLI succeeds when it is told to write for Prometheus, into a file that no collector may read (natscli 0.5.1)
#
# Expected: the format of `nats server check` changes what is printed. Its exit code (0, 1, 2, 3, as Nagios has them) stays that of the
# result, and --outfile, which is made for node_exporter's textfile folder (it writes aside and renames), leaves a file that can be read there.
#
# Happens: with --format prometheus the exit code is 0, whatever was found: exitCode in jsm.go's monitor/result.go says so for that format
# only. Not a word of it in the help. A script or systemd unit that checks and exports in one call never sees a failure. The file is
# made with mode 0600 (GenericExit, same file), whatever the umask, so a collector under a user of its own, as packages install
# it, finds a file that it can't open, and the series is missing.
#
# Versions: natscli 0.5.1 (jsm.go 0.5.1), nats-server 2.15.2. Date: 2026-11-29.
# Output seen: nagios 2, json 2, text 2, prometheus 0; file mode 600 with umask 022.
#
# For a user: run the check twice, or take the code from the series (status_code); chmod the file after each run.
set -euo pipefail
dir=$(mktemp -d)
server=
finish() {
	if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
	rm -rf "$dir"
}
trap finish EXIT
cd "$dir"
umask 022
GOBIN=$dir go install github.com/nats-io/natscli/nats@v0.5.1
GOBIN=$dir go install github.com/nats-io/nats-server/v2@v2.15.2
./nats-server -js -sd "$dir/store" -a 127.0.0.1 -p -1 --ports_file_dir "$dir" >/dev/null 2>&1 &
server=$!
for _ in $(seq 100); do
	if ls nats-server_*.ports >/dev/null 2>&1; then break; fi
	sleep 0.1
done
url=$(sed 's/.*"nats":\["\([^"]*\)".*/\1/' nats-server_*.ports)
export XDG_CONFIG_HOME=$dir

# check FORMAT [FLAG...] checks a bucket that does not exist and prints the exit code.
check() {
	local format=$1 code=0
	shift
	./nats --no-context --server "$url" server check kv --bucket NONE --format "$format" "$@" >/dev/null 2>&1 || code=$?
	echo "$code"
}

# seen WHAT GOT WANT
seen() {
	echo "$1: $2"
	if [ "$2" != "$3" ]; then
		echo "changed: it was $3"
		exit 1
	fi
}

seen "exit code, nagios" "$(check nagios)" 2
seen "exit code, json" "$(check json)" 2
seen "exit code, text" "$(check text)" 2
seen "exit code, prometheus" "$(check prometheus)" 0
check prometheus --outfile "$dir/nats.prom" >/dev/null
seen "series in the file" "$(grep -c 'status="CRITICAL"} 2' nats.prom)" 1
seen "mode of the file" "$(stat -c %a nats.prom)" 600
echo "unchanged"
