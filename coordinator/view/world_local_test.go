package view_test

import (
	"maps"
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// local is a running side that does at once what it is told, unless the story holds it back.
type local struct {
	view   uint64
	told   map[string]protocol.Assignment
	held   map[string]bool // children that don't get ready
	linger map[string]bool // children that take time to end
	ending map[string]bool // those of them that are to end
	failed []protocol.Failed
	ended  map[string]protocol.Restarted // children whose worker was restarted
	until  time.Duration
}

func (l *local) reset() {
	l.told, l.ending, l.failed, l.ended = map[string]protocol.Assignment{}, map[string]bool{}, nil, map[string]protocol.Restarted{}
}

func (l *local) assign(a view.Assign) {
	if a.Reset {
		l.reset()
	}
	l.view = a.View
	for _, x := range a.Changes {
		l.failed = slices.DeleteFunc(l.failed, func(f protocol.Failed) bool { return f.Child == x.Child })
		if x.Assigned {
			l.told[x.Child] = x
			if x.Spec.Args["a"] == "bad" { // its worker does not start
				l.failed = append(l.failed, protocol.Failed{Child: x.Child, View: x.View, Error: "no such file"})
			}
		} else {
			delete(l.told, x.Child)
			delete(l.ended, x.Child)
			l.ending[x.Child] = l.linger[x.Child]
		}
	}
}

func (l *local) report(w *world) protocol.Report {
	r := protocol.Report{Settled: l.view, Failed: slices.Clone(l.failed), Children: len(l.told)}
	for _, child := range slices.Sorted(maps.Keys(l.told)) {
		if l.gaveUp(child) {
			continue // it is reported as failed
		}
		if l.waits(w, child) {
			r.Waiting = append(r.Waiting, child)
		} else if l.told[child].Mode == protocol.Active {
			r.Active++
		}
	}
	for _, child := range slices.Sorted(maps.Keys(l.ended)) {
		r.Restarted = append(r.Restarted, l.ended[child])
	}
	for child, ending := range l.ending {
		if ending {
			r.Waiting = append(r.Waiting, child)
		}
	}
	slices.Sort(r.Waiting)
	return r
}

func (l *local) gaveUp(child string) bool {
	return slices.ContainsFunc(l.failed, func(f protocol.Failed) bool { return f.Child == child })
}

// waits reports whether a replica is not ready, or those before it have not let go.
func (l *local) waits(w *world, child string) bool {
	a := l.told[child]
	return l.held[child] || slices.ContainsFunc(a.After, func(n string) bool {
		p := w.nodes[n]
		return p == nil || p.frozen || p.cut || p.local.view < a.View
	})
}

// serves returns the children whose one active replica is here and takes requests.
func (p *process) serves(w *world) []string {
	var children []string
	if p.local.until <= w.clock().Mono {
		return nil
	}
	for _, child := range slices.Sorted(maps.Keys(p.local.told)) {
		a := p.local.told[child]
		if a.Mode == protocol.Active && a.Spec.Redundancy.Exclusive() && !p.local.waits(w, child) && !p.local.gaveUp(child) {
			children = append(children, child)
		}
	}
	return children
}
