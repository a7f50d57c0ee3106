package main

import (
	"strings"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

func (a *app) addChild(cli *fisk.Application) {
	child := cli.Command("child", "Start, change, stop, look up and move children").Alias("children")
	a.addChildStart(child)
	a.addChildSet(child)
	a.addChildApply(child)
	a.addChildStop(child)
	a.addChildLs(child)
	a.addChildInfo(child)
	a.addChildWatch(child)
	a.addChildMove(child)
	a.addChildPromote(child)
}

// nodesIn returns the nodes of the replicas in a mode, those that failed left out.
func nodesIn(mode phub.Mode, replicas []phub.ReplicaState) string {
	var nodes []string
	for _, r := range replicas {
		if r.Mode == mode && r.State != protocol.FailedAt {
			nodes = append(nodes, r.Node)
		}
	}
	return strings.Join(nodes, ", ")
}

// living returns how many replicas have not failed.
func living(replicas []phub.ReplicaState) int {
	n := 0
	for _, r := range replicas {
		if r.State != protocol.FailedAt {
			n++
		}
	}
	return n
}
