package placement_test

import (
	"fmt"
	"testing"

	"github.com/phub-io/phub/coordinator/placement"
)

func benchHub(nodes, children int) ([]placement.Node, []placement.Child) {
	var ns []placement.Node
	for i := range nodes {
		ns = append(ns, placement.Node{Name: fmt.Sprintf("node%d", i)})
	}
	var cs []placement.Child
	for i := range children {
		cs = append(cs, placement.Child{Name: fmt.Sprintf("child%d", i), Want: 2, Exclusive: true})
	}
	return ns, cs
}

func placed(ns []placement.Node, cs []placement.Child) []placement.Child {
	at := map[string]int{}
	for i := range cs {
		at[cs[i].Name] = i
	}
	for _, p := range placement.Repair(ns, cs) {
		cs[at[p.Child]].Current = p.Replicas
	}
	return cs
}

// without returns the children as they are after the loss of a node.
func without(cs []placement.Child, node string) []placement.Child {
	out := make([]placement.Child, len(cs))
	for i, c := range cs {
		var cur []string
		for _, n := range c.Current {
			if n != node {
				cur = append(cur, n)
			}
		}
		c.Current = cur
		out[i] = c
	}
	return out
}

func BenchmarkPlacement(b *testing.B) {
	for _, size := range []struct{ nodes, children int }{{3, 10_000}, {10, 10_000}, {100, 100_000}} {
		name := fmt.Sprintf("nodes=%d/children=%d", size.nodes, size.children)
		ns, fresh := benchHub(size.nodes, size.children)
		b.Run("first/"+name, func(b *testing.B) {
			for b.Loop() {
				placement.Repair(ns, fresh)
			}
		})
		_, cs := benchHub(size.nodes, size.children)
		cs = placed(ns, cs)
		lost := without(cs, "node1")
		b.Run("calm/"+name, func(b *testing.B) {
			for b.Loop() {
				placement.Repair(ns, cs)
				placement.Balance(ns, cs, 100)
			}
		})
		b.Run("lost/"+name, func(b *testing.B) {
			for b.Loop() {
				placement.Repair(append(ns[:1:1], ns[2:]...), lost)
			}
		})
		rejoined := placed(append(ns[:1:1], ns[2:]...), lost)
		b.Run("joined/"+name, func(b *testing.B) {
			for b.Loop() {
				placement.Balance(ns, rejoined, 100)
			}
		})
	}
}
