package view

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// TestTrust_EndsBeforeTheWaitForIt draws a renewal as it is sent, stored and seen, on two clocks whose
// rates differ by up to 10 %: whoever waits for the term from when it saw the renewal must not be done
// before who sent it has ceased to trust it.
func TestTrust_EndsBeforeTheWaitForIt(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		term := time.Duration(30+rng.Int64N(3_600_000)) * time.Millisecond
		sent := time.Duration(rng.Int64N(int64(1000 * time.Hour)))
		var m Machine
		m.renew(sent, term)
		slow := 1 + rng.Float64()/10 // the waiter's clock runs faster than the holder's by that
		travel := time.Duration(rng.Int64N(int64(time.Second)))
		holder := m.trust.until - sent // by the holder's clock, after it was sent
		waiter := time.Duration(float64(travel) + float64(term)/slow)
		if holder >= waiter {
			t.Fatalf("term %v, rates 1:%.4f: trusted for %v, waited for %v", term, slow, holder, waiter)
		}
	}
}

func TestTrust_NeverGoesBack(t *testing.T) {
	t.Parallel()
	var m Machine
	tr := &m.trust
	m.renew(10*time.Second, 2*time.Second)
	until := tr.until
	m.renew(9*time.Second, 2*time.Second)
	if tr.until != until {
		t.Errorf("an older renewal changed %v into %v", until, tr.until)
	}
	tr.drop("gone")
	if tr.until != 0 || tr.reason != "gone" {
		t.Errorf("dropped: %v, %q", tr.until, tr.reason)
	}
}

func spec(child, kind string) *protocol.Spec {
	s := protocol.Spec{Child: child, Kind: kind}.WithDefaults(protocol.Redundancy{})
	return &s
}

func TestDesired_KnowsItsOwnWrites(t *testing.T) {
	t.Parallel()
	var d desired
	if d.intends("a", nil) {
		t.Error("intends something with nothing to do")
	}
	d.push(specWrite{child: "a"})
	d.push(specWrite{child: "a", spec: spec("a", "second")})
	d.push(specWrite{child: "b", spec: spec("b", "first")})
	for _, c := range []struct {
		child string
		spec  *protocol.Spec
		want  bool
	}{
		{"a", nil, true},
		{"a", spec("a", "second"), true},
		{"a", spec("a", "first"), false},
		{"b", spec("b", "first"), true},
		{"b", nil, false},
		{"c", nil, false},
	} {
		if got := d.intends(c.child, c.spec); got != c.want {
			t.Errorf("intends %s %v: found %t", c.child, c.spec, got)
		}
	}
	if w, busy := d.changing("a"); !busy || w.spec == nil || w.spec.Kind != "second" {
		t.Errorf("changing a: %v %t", w, busy)
	}
	d.finish("a", 1)
	if _, busy := d.changing("a"); !busy {
		t.Error("a is done after one of two writes")
	}
	d.finish("a", 1)
	if _, busy := d.changing("a"); busy {
		t.Error("a is not done after both")
	}
}

func TestDesired_PutsBackWhatWasInterrupted(t *testing.T) {
	t.Parallel()
	d := desired{op: &specOp{sent: []specWrite{{child: "a"}, {child: "b"}}}, queue: []specWrite{{child: "c"}}}
	d.interrupt()
	d.interrupt()
	var got []string
	for _, w := range d.queue {
		got = append(got, w.child)
	}
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("found %v", got)
	}
}
