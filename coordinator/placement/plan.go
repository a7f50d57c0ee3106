package placement

// Node is a member of the hub.
type Node struct {
	Name     string
	Zone     string // where it stands; replicas of a child go to different zones. All of "" are one zone
	Capacity int    // its share of load relative to others; below 1 counts as 1
	Draining bool   // gets nothing new, and Balance moves what it has elsewhere
}

// Child is a child with its present placement.
type Child struct {
	Name      string
	Want      int  // replicas wanted; may exceed the number of nodes. Below 1 counts as 1
	Exclusive bool // only the first replica is active; otherwise all are
	// Moving is what the last Plan of this child said: its last replica is there to follow the first, so
	// one more than wanted is right for now. False if that plan has been overtaken by another source.
	Moving bool
	// Pinned says that somebody asked for the first replica to be where it is: Balance leaves the child
	// alone, but for what draining nodes hold of it.
	Pinned bool
	// Current lists the nodes of its living replicas in promotion order: of an exclusive child, the
	// first is active.
	Current []string
	// Avoid lists nodes on which the replica was given up lately: they are not used.
	Avoid []string
	// Without lists nodes that don't run its kind: they are not used.
	Without []string
	// Failing lists nodes on which the replica keeps failing: as long as another one is ready, it is not made active there.
	Failing []string
	// Unready lists the nodes in Current whose replica is not yet what its entry says: it starts, or
	// waits for its predecessor to let go.
	Unready []string
}

// Plan is a new promotion order for a child.
type Plan struct {
	Child    string
	Replicas []string // empty if no node may hold the child
	// Moving is to be stored with the order, and given back in Child.Moving.
	Moving bool
	Reason string // for people
}
