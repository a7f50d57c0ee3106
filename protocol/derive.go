package protocol

// Role is what a view and an entry make of one replica.
type Role struct {
	Node  string
	Mode  Mode
	Epoch uint64
	// After names members that must let go of the child before this replica may serve. Empty for
	// passive replicas, and for most active ones.
	After []string
	Group uint64 // of the queue group in which it takes requests
	// Changed says that it runs what the spec is being changed to.
	Changed bool
}

// Derive returns the role of each replica of e that lives in v, in promotion order. It is the one rule
// by which everybody, from the node that runs a replica to the person who looks at the buckets, tells
// who is active:
//
//   - A replica lives in v if its node is a member of v and was one already when e was written (the
//     same incarnation).
//   - If e is exclusive, the first living replica is active and the others are passive. Otherwise all
//     living replicas are active.
//   - The epoch is e's own if the replica that was first when e was written still lives; otherwise it
//     is the view in which the last of those before the first living one ceased to be a member.
//
// v must not be older than e.View.
func Derive(v *View, e *Entry) []Role {
	roles := make([]Role, 0, len(e.Replicas))
	epoch, group := e.Epoch, GroupOf(v, e)
	for _, r := range e.Replicas {
		m := v.Member(r.Node)
		if m == nil || m.Since > e.View {
			if e.Exclusive && len(roles) == 0 {
				epoch = max(epoch, departed(v, r.Node, e.View))
			}
			continue
		}
		role := Role{Node: r.Node, Mode: Passive, Epoch: epoch, Group: group, Changed: r.Changed}
		if !e.Exclusive || len(roles) == 0 {
			role.Mode = Active
			role.After = waitFor(v, e, r.Node)
		}
		roles = append(roles, role)
	}
	return roles
}

// ActiveOf returns the first active role of Derive, or nil if no replica lives.
func ActiveOf(roles []Role) *Role {
	if len(roles) == 0 || roles[0].Mode != Active {
		return nil
	}
	return &roles[0]
}

// GroupOf returns the number of the queue group in which a child's requests are taken. It is e's own,
// unless a node that may have taken requests before the active one hung and was removed: then it is the
// view that removed it. Replicas that are active together keep theirs.
func GroupOf(v *View, e *Entry) uint64 {
	group := e.Group
	if !e.Exclusive {
		return group
	}
	for _, r := range e.Replicas {
		if m := v.Member(r.Node); m != nil && m.Since <= e.View {
			break
		}
		group = max(group, hung(v, r.Node, e.View))
	}
	for _, n := range e.After {
		group = max(group, hung(v, n, e.View))
	}
	return group
}

// hung returns the view that removed the incarnation that node had at view at, if it hung.
func hung(v *View, node string, at uint64) uint64 {
	for _, d := range v.Gone {
		if d.Node == node && d.Hung && d.Since <= at && at < d.Until {
			return d.Until
		}
	}
	return 0
}

// departed returns the view in which the incarnation that node had at view at ceased to be a member.
func departed(v *View, node string, at uint64) uint64 {
	for _, d := range v.Gone {
		if d.Node == node && d.Since <= at && at < d.Until {
			return d.Until
		}
	}
	return 0
}

func waitFor(v *View, e *Entry, node string) []string {
	if !e.Exclusive {
		return nil
	}
	var after []string
	for _, n := range e.After {
		if m := v.Member(n); n != node && m != nil && m.Since <= e.View {
			after = append(after, n)
		}
	}
	return after
}

// Assignment tells a node what one of its replicas is to be from now on. It is what a view and an
// entry mean for that node, with the spec that goes with it.
type Assignment struct {
	Child string
	View  uint64 // the view of the entry that it comes from
	// Assigned is false if the node is to hold no replica of the child any more; then nothing below
	// is set.
	Assigned bool
	Spec     *Spec  // never changed once published
	SpecRev  uint64 // a replica that runs an older revision is stopped and started anew
	Mode     Mode
	Epoch    uint64
	Reason   string
	// After names nodes that must let go of the child before this replica may serve.
	After []string
	Group uint64 // of the queue group in which it takes requests
}
