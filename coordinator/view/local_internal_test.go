package view

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// commits makes a history of views and entries at random.
type commits struct {
	*rand.Rand
	view    *protocol.View
	entries map[string]*Placed
	ids     int
}

// next makes the view that follows, with one change.
func (c *commits) next() {
	v := *c.view
	v.Number++
	v.Members, v.Gone = slices.Clone(v.Members), slices.Clone(v.Gone)
	switch c.IntN(4) {
	case 0:
		c.admit(&v, "n"+strconv.Itoa(c.IntN(6)))
	case 1:
		if x := v.Members[c.IntN(len(v.Members))]; x.Node != "self" {
			depart(&v, x.Incarnation, "node_lost", c.IntN(2) == 0)
		}
	case 2:
		v.Gone = slices.DeleteFunc(v.Gone, func(d protocol.Departure) bool {
			alone := &protocol.View{Gone: []protocol.Departure{d}}
			for _, e := range c.entries {
				if (&Machine{}).mentionsGone(alone, e) {
					return false
				}
			}
			return true
		})
	default:
		for range 1 + c.IntN(4) {
			c.place(&v, "c"+strconv.Itoa(c.IntN(10)))
		}
	}
	c.view = &v
}

func (c *commits) admit(v *protocol.View, node string) {
	if v.Member(node) == nil && !slices.ContainsFunc(v.Gone, func(d protocol.Departure) bool { return d.Node == node }) {
		c.ids++
		v.Members = append(v.Members, protocol.Member{Incarnation: protocol.Incarnation{Node: node, ID: strconv.Itoa(c.ids)}, Since: v.Number})
	}
}

func (c *commits) place(v *protocol.View, child string) {
	delete(c.entries, child)
	if c.IntN(6) == 0 {
		return
	}
	e := &Placed{Child: child, Entry: protocol.Entry{V: 1, View: v.Number, Epoch: v.Number, Spec: 1, Exclusive: c.IntN(3) > 0}}
	order := c.Perm(len(v.Members))
	for _, i := range order[:min(len(order), 1+c.IntN(3))] {
		e.Replicas = append(e.Replicas, protocol.Replica{Node: v.Members[i].Node})
	}
	if c.IntN(2) == 0 {
		e.After = []string{v.Members[order[len(order)-1]].Node}
	}
	c.entries[child] = e
}

// A node is told after each commit what it would be told if it looked at every entry, also if it missed some views between.
func TestMachine_IsToldWhatAllEntriesMean(t *testing.T) {
	t.Parallel()
	m := New(Config{Hub: "h", Node: "self", Keys: unsigned(func() string { return "self-1" })})
	c := &commits{rand.New(rand.NewPCG(5, 6)), &protocol.View{}, map[string]*Placed{}, 0}
	c.view.Members = []protocol.Member{{Incarnation: m.self, Since: 1}}
	for i := range 10 {
		m.specs.specs["c"+strconv.Itoa(i)] = storedSpec{spec: &protocol.Spec{}, revision: 1}
	}
	told := 0
	for i := range 5000 {
		before := m.history.view
		for range 1 + c.IntN(3) {
			c.next()
		}
		commit := Commit{Before: before, After: c.view}
		for i := range 10 {
			child := "c" + strconv.Itoa(i)
			if ch := (Change{child, m.history.Entry(child), c.entries[child]}); ch.Before != ch.After {
				commit.Changed = append(commit.Changed, ch)
				m.history.replace(ch)
			}
		}
		m.history.view = c.view
		m.localCommit(commit)
		for child, e := range c.entries {
			want, _ := m.assignment(child)
			got, had := m.local.told[child]
			if had != want.Assigned || had && !sameAssignment(got, want) {
				t.Fatalf("commit %d from %+v to %+v: entry %+v means %+v here; told was %+v", i, before, c.view, e.Entry, want, got)
			}
			if had {
				told++
			}
		}
		for child := range m.local.told {
			if c.entries[child] == nil {
				t.Fatalf("commit %d: %s is still told of", i, child)
			}
		}
	}
	if told < 10_000 {
		t.Errorf("only %d times anything was told", told)
	}
}
