package worker

import "testing"

func TestQueue_KeepsTheOrderAndItsSize(t *testing.T) {
	t.Parallel()
	var q queue
	in := make([]*Incoming, 100)
	for i := range in {
		in[i] = &Incoming{Child: "c", Data: make([]byte, i)}
	}
	pushed, popped := 0, 0
	push := func() { q.push(in[pushed%len(in)]); pushed++ }
	pop := func() {
		if got := q.pop(); got != in[popped%len(in)] {
			t.Fatalf("the %dth is another one", popped)
		}
		popped++
	}
	for range 40 {
		push()
	}
	for range 1_000_000 { // it is never empty
		push()
		pop()
	}
	if len(q.ring) != 64 || q.len() != 40 {
		t.Errorf("the ring has %d places for %d requests", len(q.ring), q.len())
	}
	for q.len() > 0 {
		pop()
	}
	if q.ring != nil || q.size != 0 {
		t.Errorf("empty, it has %d places and %d bytes", len(q.ring), q.size)
	}
}
