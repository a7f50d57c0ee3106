package view

// markers are the revisions at which keys were deleted last, of as many keys as are worth remembering: names of children and nodes
// may be new each time, and the stream forgets its own markers, too.
type markers struct {
	all []marker // in order
}

type marker struct {
	key      string
	revision uint64
}

// markersKept is how many are remembered. A key whose marker was forgotten counts as one that never was: a write to it is refused
// while the stream still has the marker, and the key is read then.
const markersKept = 10_000

// add remembers that a key was deleted, and forgets the oldest ones in keys.
func (m *markers) add(key string, revision uint64, keys map[string]uint64) (forgotten []string) {
	m.all = append(m.all, marker{key, revision})
	for len(m.all) > markersKept {
		old := m.all[0]
		m.all = m.all[1:]
		if keys[old.key] == old.revision {
			delete(keys, old.key)
			forgotten = append(forgotten, old.key)
		}
	}
	return forgotten
}
