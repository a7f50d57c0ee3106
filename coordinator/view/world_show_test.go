package view_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/phub-io/phub/protocol"
)

// show tells what is stored, or what nodes believe.
func (w *world) show(what string) error {
	switch what {
	case "view":
		w.showView()
	case "placement":
		w.showPlacement()
	case "load":
		w.showLoad()
	case "nodes":
		for _, r := range w.store.sorted(protocol.NodesBucket) {
			rec, err := protocol.DecodeNodeRecord(r.Value)
			if r.Deleted {
				fmt.Fprintf(&w.out, "%s:%s\n", r.Key, deleted(true))
				continue
			}
			if err != nil {
				fmt.Fprintf(&w.out, "%s: %v\n", r.Key, err)
				continue
			}
			fmt.Fprintf(&w.out, "%s: %s %s lease %v %s\n", r.Key, rec.ID, rec.Status, rec.Lease.Std(), rec.Reason)
		}
	case "specs":
		for _, r := range w.store.sorted(protocol.ChildrenBucket) {
			fmt.Fprintf(&w.out, "%s at %d: %s%s\n", r.Key, r.Revision, r.Value, deleted(r.Deleted))
		}
	case "trust":
		w.showTrust()
	case "serving":
		for _, n := range w.names() {
			fmt.Fprintf(&w.out, "%s: %s\n", n, strings.Join(w.nodes[n].serves(w), " "))
		}
	default:
		return fmt.Errorf("nothing to show of %q", what)
	}
	return nil
}

func deleted(is bool) string {
	if is {
		return "deleted"
	}
	return ""
}

func (w *world) showView() {
	v := w.store.view()
	if v == nil {
		fmt.Fprintln(&w.out, "no view")
		return
	}
	fmt.Fprintf(&w.out, "view %d by %s (%s):", v.Number, v.Coordinator.ID, v.Reason)
	for _, x := range v.Members {
		fmt.Fprintf(&w.out, " %s since %d", x.ID, x.Since)
	}
	for _, d := range v.Gone {
		fmt.Fprintf(&w.out, "; %s gone at %d", d.ID, d.Until)
	}
	fmt.Fprintln(&w.out)
}

func (w *world) showPlacement() {
	v := w.store.view()
	for _, r := range w.store.sorted(protocol.PlacementBucket) {
		if r.Key == protocol.ViewKey || r.Key == protocol.ConfigKey {
			continue
		}
		e, err := protocol.DecodeEntry(r.Value)
		if err != nil || r.Deleted {
			fmt.Fprintf(&w.out, "%s: %v%s\n", r.Key, err, deleted(r.Deleted))
			continue
		}
		fmt.Fprintf(&w.out, "%s: %s\n", r.Key, entryText(v, &e))
	}
}

func entryText(v *protocol.View, e *protocol.Entry) string {
	var roles []string
	for _, r := range protocol.Derive(v, e) {
		role := fmt.Sprintf("%s %s epoch %d", r.Node, r.Mode, r.Epoch)
		if r.Changed {
			role += " changed"
		}
		roles = append(roles, role)
	}
	s := fmt.Sprintf("%s; entry of view %d", strings.Join(roles, ", "), e.View)
	if len(e.After) > 0 {
		s += fmt.Sprintf(", after %v", e.After)
	}
	parts := []string{s}
	for _, f := range e.Failed {
		parts = append(parts, "failed on "+f.Node)
	}
	if e.Moving {
		parts = append(parts, "moving")
	}
	return strings.Join(parts, ", ")
}

// showLoad counts the replicas of each node.
func (w *world) showLoad() {
	v := w.store.view()
	active, all := map[string]int{}, map[string]int{}
	for _, r := range w.store.sorted(protocol.PlacementBucket) {
		e, err := protocol.DecodeEntry(r.Value)
		if err != nil || r.Deleted || r.Key == protocol.ViewKey {
			continue
		}
		for _, x := range protocol.Derive(v, &e) {
			all[x.Node]++
			if x.Mode == protocol.Active {
				active[x.Node]++
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&w.out, "%s: %d replicas, %d active\n", n, all[n], active[n])
	}
}

func (w *world) showTrust() {
	for _, n := range w.names() {
		p := w.nodes[n]
		role := ""
		if p.m.Leads() {
			role = ", coordinator"
		}
		left := p.local.until - w.clock().Mono
		if left <= 0 {
			fmt.Fprintf(&w.out, "%s: no trust%s\n", n, role)
			continue
		}
		fmt.Fprintf(&w.out, "%s: trusted for %v%s\n", n, left.Round(time.Millisecond), role)
	}
}
