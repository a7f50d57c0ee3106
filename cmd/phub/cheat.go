package main

import (
	"slices"

	"github.com/choria-io/fisk"
)

// firstScreen is what phub prints without an argument.
const firstScreen = `phub keeps named pieces of work running as replicas on several nodes, over NATS.

  phub demo                                    see two failovers in 6 seconds, nothing to install
  phub dev                                     a NATS server and three nodes, for a second terminal
  phub node run --hub H --name N               join a hub as a node
  phub child start c1 --kind counter --replicas 2 --model active_passive
  phub req c1 inc                              ask the active replica
  phub status                                  health of the hub in one screen
  phub doctor                                  what your NATS gives a hub, and what to change

More: phub --help, phub COMMAND --help, phub cheat NAME (phub cheat lists the names).
`

// addCheats adds the command cheat.
func addCheats(cli *fisk.Application) {
	cli.Cheat("phub", `# try it: everything in one terminal
phub demo

# a server and three nodes here, then work from a second terminal
phub dev

# join a hub as a node, with a zone and twice the usual share of load
phub node run --hub my_hub --name node1 --label zone=a --capacity 2

# who is here, and is all well
phub status
phub node ls
phub node drain node1             # hands over all that it has; --cancel ends it`)
	cli.Cheat("child", `# one child with an active and a passive replica
phub child start child1 --kind counter --replicas 2 --model active_passive --signal all

# ten thousand of them
phub child start 'c%d' --count 10000 --kind counter --replicas 2 --model active_passive

# from a file, YAML or JSON
phub child start --file children.yaml

# change what runs: a new worker is ready before the old one goes; make the hub what a file says
phub child set child1 --replicas 3 --arg step=2
phub child apply --file children.yaml --dry-run

# look
phub child ls 'orders.>' --node node1
phub child info child1
phub child watch child1

# move the active replica, stop the child
phub child move child1 node2
phub child promote child1
phub child stop child1`)
	cli.Cheat("req", `# a request to the active replica
phub req child1 inc

# payload from stdin; node, epoch and retries in the answer
echo -n inc | phub req child1 - --json

# the same with the plain nats CLI
nats req phub.default.req.child1 inc`)
	cli.Cheat("bench", `# how long a failover takes on your NATS, beside what plain NATS needs for the same
phub bench failover --children 1000

# on servers of its own; the coordinator is killed, or a node hangs
phub bench failover --embedded 3 --fault coordinator
phub bench failover --embedded 3 --fault hang --runs 3`)
	cli.Cheat("hub", `# change settings while the hub runs
phub hub set balance=off factor=2 model=active_passive

# save what the hub is to be, and bring it back: what differs is shown first, and changed only if asked for
phub hub export > hub.yaml
phub hub import hub.yaml --dry-run
phub hub import hub.yaml --replace

# remove one that no node serves any more
phub hub rm my_hub`)
	cli.Cheat("watch", `# everything that happens in the hub
phub hub watch

# the same with the plain nats CLI
nats sub 'phub.default.mode.>'
nats sub 'phub.default.event.>'
nats kv watch phub_default_placement
nats micro ls`)
	cli.Cheat("permissions", `# what a node, and a client of its own name, may do: for a NATS server's configuration
phub permissions node --hub my_hub
phub permissions asks operates --hub my_hub --inbox-prefix _INBOX_my_hub.alice

# for a user's JWT, or as a call of nsc
phub permissions asks --hub my_hub --format jwt
phub permissions asks --hub my_hub --format nsc

# who has an inbox of its own says so when it connects
phub req child1 inc --inbox-prefix _INBOX_my_hub.alice`)
	names := []string{"phub", "bench", "child", "hub", "permissions", "req", "watch"}
	cli.CheatCommand.GetArg("label").Validator(func(v string) error {
		if slices.Contains(names, v) {
			return nil
		}
		return hint{usagef("cheat: %w", wrongValue{v, either(names)}), "phub cheat " + names[0]}
	})
}
