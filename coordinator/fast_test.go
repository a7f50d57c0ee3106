package coordinator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/internal/inmem"
	"github.com/phub-io/phub/protocol"
)

func fastHub(t *testing.T, nats *inmem.NATS, names ...string) []*node {
	t.Helper()
	nats.Access(true)
	nodes := make([]*node, 0, len(names))
	for _, name := range names {
		n := start(t, nats, name, func(_ *node, cfg *coordinator.Config) { cfg.Want.Failover = protocol.FailoverFast })
		<-n.Admitted()
		nodes = append(nodes, n)
	}
	wait(time.Second)
	return nodes
}

// silence loses all messages of a node, and all of its writes if it hangs altogether.
func silence(nats *inmem.NATS, node string, altogether bool) {
	nats.Drop(func(from, _, _ string) bool { return from == node })
	nats.Stall(node, altogether)
}

func TestRun_FastDisconnectsWhoSaysNothing(t *testing.T) {
	t.Parallel()
	for _, victim := range []int{0, 1} { // the coordinator, another node
		synctest.Test(t, func(t *testing.T) {
			nats := inmem.New()
			nodes := fastHub(t, nats, "node1", "node2", "node3")
			startChild(t, nats, "child1")
			hung, view := nodes[victim], nodes[2].Status().View
			session := hung.session()
			silence(nats, hung.name, true)
			wait(time.Second)
			select {
			case <-session.Done():
			default:
				t.Errorf("%s hangs, and is connected still after a second", hung.name)
			}
			if got := nodes[2].Status().View; got <= view {
				t.Errorf("view %d a second after %s hung, expected a later one than %d", got, hung.name, view)
			}
			nats.Drop(nil)
			nats.Stall(hung.name, false)
			wait(3 * time.Second)
			for _, n := range nodes {
				if s := n.Status(); !s.Member || !n.local.trusted() {
					t.Errorf("after it went on, %s: %+v, trusted %t", n.name, s, n.local.trusted())
				}
			}
		})
	}
}

// A node whose heartbeats get lost renews its record, and is no node that hangs.
func TestRun_FastSparesWhoRenewsItsRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		nodes := fastHub(t, nats, "node1", "node2", "node3")
		session := nodes[1].session()
		silence(nats, "node2", false)
		wait(5 * time.Second)
		select {
		case <-session.Done():
			t.Error("node2 renews its record, and was disconnected")
		default:
		}
		if !nodes[1].Status().Member || !nodes[1].local.trusted() {
			t.Errorf("node2: %+v, trusted %t; expected a member", nodes[1].Status(), nodes[1].local.trusted())
		}
	})
}
