package main

// activeCheck finds in the replies to requests whether two replicas of a child were active at once.
// Two signs prove it: replies of two nodes with the same epoch; and a reply with an older epoch to a
// request that was sent after a reply with a newer one had arrived.
type activeCheck struct {
	newest map[string]uint64
	owner  map[ownedEpoch]string
	dual   int
}

type ownedEpoch struct {
	child string
	epoch uint64
}

func newActiveCheck() activeCheck {
	return activeCheck{newest: map[string]uint64{}, owner: map[ownedEpoch]string{}}
}

// sent returns the newest epoch that has answered for child so far: no reply to a request sent now may
// be older.
func (c *activeCheck) sent(child string) (floor uint64) { return c.newest[child] }

// received judges the reply to a request with that floor.
func (c *activeCheck) received(child string, floor uint64, node string, epoch uint64) {
	key := ownedEpoch{child, epoch}
	owner, known := c.owner[key]
	if epoch < floor || known && owner != node {
		c.dual++
	}
	if !known {
		c.owner[key] = node
	}
	c.newest[child] = max(c.newest[child], epoch)
}
