package network

import (
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestRule_Passes(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, tc := range map[string]struct {
		rule  Rule
		since time.Duration
		draw  float64
		want  bool
	}{
		"open":                           {Rule{}, 0, 0, true},
		"cut":                            {Rule{Cut: true}, time.Hour, 0.99, false},
		"a draw below the loss":          {Rule{Loss: 0.2}, 0, 0.19, false},
		"a draw at the loss":             {Rule{Loss: 0.2}, 0, 0.2, true},
		"flapping begins with down":      {Rule{Flap: 300 * ms}, 299 * ms, 0.5, false},
		"then it is up":                  {Rule{Flap: 300 * ms}, 300 * ms, 0.5, true},
		"and down again":                 {Rule{Flap: 300 * ms}, 600 * ms, 0.5, false},
		"up, and still lost by chance":   {Rule{Flap: 300 * ms, Loss: 0.5}, 300 * ms, 0.4, false},
		"delay loses nothing":            {Rule{Delay: time.Second}, 0, 0, true},
		"cut comes before everything up": {Rule{Cut: true, Flap: 300 * ms}, 300 * ms, 0.5, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.rule.passes(tc.since, tc.draw); got != tc.want {
				t.Errorf("%v passes %v after it was set with draw %v: %v, want %v", tc.rule, tc.since, tc.draw, got, tc.want)
			}
		})
	}
}

func TestRule_SaysWhatItDoes(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Rule{
		"open":                           {},
		"cut":                            {Cut: true},
		"5 % lost, delayed by 50ms":      {Loss: 0.05, Delay: 50 * time.Millisecond},
		"down and up every 2s":           {Flap: 2 * time.Second},
		"cut, down and up every 300ms":   {Cut: true, Flap: 300 * time.Millisecond},
		"down and up every 2s, 1 % lost": {Flap: 2 * time.Second, Loss: 0.01},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// device is a port in memory: what is sent into it comes out of Read, what is written is kept.
type device struct {
	in     chan []byte
	closed chan struct{}

	mu  sync.Mutex
	got []arrival
}

type arrival struct {
	text string
	at   time.Time
}

func newDevice() *device { return &device{in: make(chan []byte), closed: make(chan struct{})} }

func (d *device) Read(p []byte) (int, error) {
	select {
	case f := <-d.in:
		return copy(p, f), nil
	case <-d.closed:
		return 0, io.EOF
	}
}

func (d *device) Write(p []byte) (int, error) {
	select {
	case <-d.closed:
		return 0, errors.New("closed")
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, arrival{string(p[14:]), time.Now()})
	return len(p), nil
}

func (d *device) Close() error { close(d.closed); return nil }

func (d *device) arrived() []arrival {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]arrival(nil), d.got...)
}

// to is a frame for the i-th host.
func to(i int, text string) []byte {
	h := hardware(i)
	return append(append(h[:], make([]byte, 8)...), text...)
}

// wired runs a test over a fabric of three hosts, in virtual time.
func wired(t *testing.T, test func(f *fabric, hosts []*device)) {
	synctest.Test(t, func(*testing.T) {
		hosts := []*device{newDevice(), newDevice(), newDevice()}
		f := newFabric(1, hosts[0], hosts[1], hosts[2])
		defer f.close()
		test(f, hosts)
	})
}

func TestFabric_GivesAFrameToItsHostAlone(t *testing.T) {
	t.Parallel()
	wired(t, func(_ *fabric, hosts []*device) {
		hosts[0].in <- to(1, "hello")
		hosts[0].in <- append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 20)...)
		hosts[0].in <- to(7, "nobody")
		hosts[0].in <- []byte("short")
		synctest.Wait()
		if got := hosts[1].arrived(); len(got) != 1 || got[0].text != "hello" {
			t.Errorf("the second host got %v, want hello alone", got)
		}
		if got := hosts[2].arrived(); len(got) != 0 {
			t.Errorf("the third host got %v, want nothing", got)
		}
	})
}

func TestFabric_CutsOneDirection(t *testing.T) {
	t.Parallel()
	wired(t, func(f *fabric, hosts []*device) {
		f.lanes[0][1].set(Rule{Cut: true}, time.Now())
		hosts[0].in <- to(1, "there")
		hosts[1].in <- to(0, "back")
		synctest.Wait()
		if got := hosts[1].arrived(); len(got) != 0 || f.lanes[0][1].lost.Load() != 1 {
			t.Errorf("over the cut came %v, %d lost; want nothing and 1", got, f.lanes[0][1].lost.Load())
		}
		if got := hosts[0].arrived(); len(got) != 1 || f.lanes[1][0].passed.Load() != 1 {
			t.Errorf("against it came %v, %d passed; want one", got, f.lanes[1][0].passed.Load())
		}
	})
}

func TestFabric_HoldsBackInOrder(t *testing.T) {
	t.Parallel()
	wired(t, func(f *fabric, hosts []*device) {
		began := time.Now()
		f.lanes[0][1].set(Rule{Delay: 50 * time.Millisecond}, began)
		hosts[0].in <- to(1, "first")
		time.Sleep(10 * time.Millisecond)
		hosts[0].in <- to(1, "second")
		time.Sleep(time.Second)
		got := hosts[1].arrived()
		if len(got) != 2 || got[0].text != "first" || got[1].text != "second" {
			t.Fatalf("got %v, want first and second", got)
		}
		for i, want := range []time.Duration{50 * time.Millisecond, 60 * time.Millisecond} {
			if d := got[i].at.Sub(began); d != want {
				t.Errorf("%s came after %v, want %v", got[i].text, d, want)
			}
		}
	})
}

func TestFabric_LosesItsShareInEachDirection(t *testing.T) {
	t.Parallel()
	wired(t, func(f *fabric, hosts []*device) {
		f.lanes[0][1].set(Rule{Loss: 0.2}, time.Now())
		f.lanes[2][1].set(Rule{Loss: 0.2}, time.Now())
		const n = 5000
		for range n {
			hosts[0].in <- to(1, "x")
			hosts[2].in <- to(1, "y")
		}
		synctest.Wait()
		for _, from := range []int{0, 2} {
			l := f.lanes[from][1]
			if lost := l.lost.Load(); lost < n/5*9/10 || lost > n/5*11/10 || lost+l.passed.Load() != n {
				t.Errorf("from %d: %d lost and %d passed of %d, want a fifth lost", from, lost, l.passed.Load(), n)
			}
		}
		if f.lanes[0][1].lost.Load() == f.lanes[2][1].lost.Load() {
			t.Errorf("both directions lost %d: they draw the same", f.lanes[0][1].lost.Load())
		}
	})
}
