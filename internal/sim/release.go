package sim

import (
	"maps"
	"slices"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

const (
	answerWithin = 250 * ms
	askTimeout   = sec
	askPause     = 50 * ms
	askLongest   = 250 * ms
)

// ask asks a node for a release, until it is needed no more.
func (h *host) ask(s *slot, node string, view uint64) {
	slots, runs := h.asks[node]
	if !runs {
		slots = map[*slot]uint64{}
		h.asks[node] = slots
		h.p.after(us, func() { h.askRound(node, askPause) })
	}
	slots[s] = view
}

func (h *host) pending(node string) []*slot {
	for s, view := range h.asks[node] {
		if !s.m.Waits(node, view) {
			delete(h.asks[node], s)
		}
	}
	return slices.SortedFunc(maps.Keys(h.asks[node]), func(a, b *slot) int {
		if a.child < b.child {
			return -1
		}
		return 1
	})
}

// askRound asks once for everything, and again after a pause.
func (h *host) askRound(node string, pause int64) {
	asks := h.pending(node)
	if len(asks) == 0 {
		delete(h.asks, node)
		return
	}
	over := false
	again := func() {
		if !over {
			over = true
			h.p.after(pause, func() { h.askRound(node, min(2*pause, askLongest)) })
		}
	}
	c := h.link
	if c == nil {
		again()
		return
	}
	h.numbers++
	req := protocol.ReleaseRequest{V: 1, From: h.p.name, ID: h.peers.self, Number: h.numbers}
	views := map[string]uint64{}
	for _, s := range asks {
		view := h.asks[node][s]
		req.Children = append(req.Children, protocol.Release{Child: s.child, View: view})
		views[s.child] = view
	}
	h.p.after(askTimeout, again)
	u := &h.p.w.unsafe
	h.send(c, node, seal(h.p, req.ID, req), func(a sealed[protocol.ReleaseAnswer]) {
		if over || !h.on(c) || a.by != a.msg.ID && !u.BelieveReleases || !a.msg.Answers(&req) && !u.OldReleases {
			return
		}
		if a.msg.Node == node && h.believes(node, a.msg.ID) {
			h.takeReleases(node, a.msg, views)
		}
		again()
	}, again)
}

// peers are who is a member, as worker.Host has them.
type peers struct {
	self string
	ids  map[string]string
}

// believes reports whether an incarnation is the member of that name.
func (h *host) believes(node, id string) bool {
	return id != "" && h.peers.ids[node] == id || h.p.w.unsafe.AnyoneReleases
}

func (h *host) send(c *conn, node string, req sealed[protocol.ReleaseRequest], answer func(sealed[protocol.ReleaseAnswer]), nobody func()) {
	w := h.p.w
	w.stranger.heardRelease(c, node, req, answer)
	to := w.listeners(c, func(x *conn) bool { return x.proc != nil && x.proc.name == node })
	if len(to) == 0 {
		h.p.after(w.latency(), nobody)
	}
	for _, x := range to {
		w.send(c, x, func() {
			x.proc.host.release(x, req, func(a sealed[protocol.ReleaseAnswer]) {
				w.stranger.heardReleased(a)
				w.send(x, c, func() { answer(a) })
			})
		})
	}
}

func (h *host) takeReleases(node string, a protocol.ReleaseAnswer, views map[string]uint64) {
	for _, child := range a.Released {
		h.p.w.tell(h.p.name, "hears that %s let go of %s, as view %d asks", node, child, views[child])
		if s := h.slots[child]; s != nil && (h.asks[node][s] == views[child] || h.limits.Unsafe.AnyRelease) {
			delete(h.asks[node], s)
			s.step(replica.Released{Node: node, View: views[child]})
		}
	}
}

// release lets go of the children, and answers which of them are served no more, if the incarnation that it names signed the
// request.
func (h *host) release(c *conn, m sealed[protocol.ReleaseRequest], answer func(sealed[protocol.ReleaseAnswer])) {
	r := m.msg
	if m.by != r.ID {
		return
	}
	left, over := 1, false
	end := func() {
		if !over && h.on(c) {
			over = true
			a := protocol.ReleaseAnswer{V: 1, Node: h.p.name, ID: h.peers.self, To: r.ID, Number: r.Number, Released: h.released(r)}
			h.p.do(func() {
				if h.on(c) {
					answer(seal(h.p, a.ID, a))
				}
			})
		}
	}
	letGo := func() {
		if left--; left == 0 {
			h.p.after(us, end)
		}
	}
	rest := r.Children
	var try func()
	try = func() {
		if over {
			return
		}
		rest = h.letGoOf(r, rest, func(s *slot) {
			left++
			s.onLetGo = append(s.onLetGo, letGo)
		})
		if len(rest) > 0 {
			h.onAssigned = append(h.onAssigned, try)
			return
		}
		h.p.do(letGo)
	}
	h.p.do(try)
	h.p.do(func() { h.p.after(answerWithin, end) })
}

// letGoOf lets go of each child by whose view this node follows already, if who asks is a member of it, and returns the others.
// drains is called for each that takes its time.
func (h *host) letGoOf(r protocol.ReleaseRequest, children []protocol.Release, drains func(*slot)) []protocol.Release {
	var rest []protocol.Release
	member := h.believes(r.From, r.ID)
	for _, x := range children {
		followed := h.follows(x.View)
		if !member {
			if !followed {
				rest = append(rest, x)
			}
			continue
		}
		h.with(x.Child, false, func(s *slot) {
			if s.m.View() < x.View && !h.p.w.unsafe.ReleaseUnheard {
				return
			}
			followed = true
			s.step(replica.ReleaseAsked{View: x.View})
			h.p.do(func() {
				if !s.m.LetGo() && s.m.Role() == replica.Draining {
					drains(s)
				}
			})
		})
		if !followed {
			rest = append(rest, x)
		}
	}
	return rest
}

func (h *host) follows(view uint64) bool { return h.seen >= view || h.p.w.unsafe.ReleaseUnheard }

func (h *host) released(r protocol.ReleaseRequest) []string {
	if !h.believes(r.From, r.ID) {
		return nil
	}
	var out []string
	for _, x := range r.Children {
		ok := h.follows(x.View)
		h.with(x.Child, false, func(s *slot) {
			ok = (s.m.LetGo() || h.p.w.unsafe.ReleaseServing) && (ok || s.m.View() >= x.View)
		})
		if ok {
			out = append(out, x.Child)
		}
	}
	if h.p.local() >= h.lease.until && !h.p.w.unsafe.ReleaseUntrusted {
		return nil
	}
	return out
}
