package sim

import "container/heap"

// entry is something that happens at an instant. Those of one instant happen in the order in which
// they were planned.
type entry struct {
	at  int64
	seq uint64
	do  func()
}

type entries []entry

func (q entries) Len() int { return len(q) }
func (q entries) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q entries) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *entries) Push(x any)   { *q = append(*q, x.(entry)) }
func (q *entries) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = entry{}
	*q = old[:len(old)-1]
	return e
}

// at plans something for an instant; what lies in the past happens now.
func (w *world) at(t int64, do func()) {
	w.seq++
	heap.Push(&w.queue, entry{max(t, w.now), w.seq, do})
}

// in plans something for later.
func (w *world) in(d int64, do func()) { w.at(w.now+d, do) }

// runUntil lets the world run until an instant, or until a promise is broken.
func (w *world) runUntil(t int64) {
	for w.broken == nil && len(w.queue) > 0 && w.queue[0].at <= t {
		e := heap.Pop(&w.queue).(entry)
		w.now = e.at
		if w.steps++; w.steps > mostSteps {
			w.breach(RuleEnds, "%d events, and no end", w.steps)
			return
		}
		e.do()
	}
	if w.broken == nil {
		w.now = t
	}
}

// mostSteps is how many events mean that a run has no end: hundreds of times what one takes.
const mostSteps = 10_000_000
