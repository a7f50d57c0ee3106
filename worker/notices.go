package worker

import (
	"cmp"
	"maps"
	"slices"

	"github.com/phub-io/phub/protocol"
)

// notice is what the book has to say of a replica that runs.
type notice struct {
	protocol.Notice
	order uint64
}

// notice notes something about a replica. Of those about which there is something, it keeps the last ones.
func (b *book) notice(s *slot, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noticed++
	b.notices[s] = notice{protocol.Notice{Child: s.child, Text: protocol.Cut(text, protocol.MaxNotice)}, b.noticed}
	if len(b.notices) > protocol.MaxNotices {
		oldest := s
		for x, n := range b.notices {
			if n.order < b.notices[oldest].order {
				oldest = x
			}
		}
		delete(b.notices, oldest)
	}
}

// withdraw takes back what was noted of a replica's worker: another one starts.
func (b *book) withdraw(s *slot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.notices, s)
}

// noticesIn returns as many notices as there is room for, the last ones. The book's lock is held; room is in bytes of JSON.
func (b *book) noticesIn(room int) []protocol.Notice {
	var list []protocol.Notice
	for _, n := range slices.SortedFunc(maps.Values(b.notices), func(x, y notice) int { return cmp.Compare(y.order, x.order) }) {
		if room -= jsonSize(protocol.Failed{Child: n.Child, Error: n.Text}); room < 0 {
			break
		}
		list = append(list, n.Notice)
	}
	slices.SortFunc(list, func(x, y protocol.Notice) int { return cmp.Compare(x.Child, y.Child) })
	return list
}
