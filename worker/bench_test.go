package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// BenchmarkRequest is the way of a request from the transport through the door to its reply, without
// any network. "bare" has a goroutine that answers in the place of the host, as a subscription of
// nats.go would: the difference is what phub costs.
func BenchmarkRequest(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("host/clients=%d", clients), func(b *testing.B) { benchRequest(b, clients) })
		b.Run(fmt.Sprintf("bare/clients=%d", clients), func(b *testing.B) { benchBare(b, clients) })
	}
}

func benchBare(b *testing.B, clients int) {
	queue := make(chan *worker.Incoming, 8192)
	defer close(queue)
	go func() {
		for in := range queue {
			_ = in.Reply.Reply(nil, in.Data)
		}
	}()
	benchClients(b, clients, func(in *worker.Incoming) { queue <- in })
}

type signal chan struct{}

func (s signal) Reply(map[string][]string, []byte) error {
	s <- struct{}{}
	return nil
}

func benchRequest(b *testing.B, clients int) {
	bus := newBus()
	start := time.Now()
	h := worker.New(worker.Config{
		Hub: "h", Node: "n", Kinds: echo(), Logger: slog.New(slog.DiscardHandler),
		Now: func() int64 { return int64(time.Since(start)) },
	})
	defer h.Stop(context.Background())
	p := bus.port("n")
	if err := h.Attach(p); err != nil {
		b.Fatal(err)
	}
	h.Trust(int64(time.Hour), "bench")
	h.Assign(1, []protocol.Assignment{active("a", 1)}, false)
	for !p.isOpen("a") {
		runtime.Gosched()
	}
	benchClients(b, clients, p.h.Request)
}

func benchClients(b *testing.B, clients int, send func(*worker.Incoming)) {
	data := make([]byte, 128)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			done := make(signal, 1)
			in := &worker.Incoming{Child: "a", Data: data, Reply: done}
			for i := c; i < b.N; i += clients {
				send(in)
				<-done
			}
		})
	}
	wg.Wait()
}

// TestHost_IdleChildIsSmall holds the memory of an idle child, its map entry and its spec's share
// included, to 1 KiB beyond what the test itself keeps.
func TestHost_IdleChildIsSmall(t *testing.T) {
	const children = 10_000
	h := worker.New(worker.Config{Hub: "h", Node: "n", Kinds: echo(), Logger: slog.New(slog.DiscardHandler)})
	defer h.Stop(context.Background())
	s := active("x", 1).Spec
	changes := make([]protocol.Assignment, children)
	for i := range changes {
		name := fmt.Sprintf("c%d", i)
		changes[i] = protocol.Assignment{Child: name, View: 1, Assigned: true, Spec: s, SpecRev: 1, Mode: protocol.Passive, Epoch: 1}
	}
	goroutines := runtime.NumGoroutine()
	keepGoroutines(children)
	before := heap()
	h.Assign(1, changes, false)
	for end := time.Now().Add(20 * time.Second); len(h.Report().Waiting) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not started in time")
		}
	}
	each := (heap() - before) / children
	for try := 0; each > 1024 && try < 10; try++ { // what other tests of this process leave behind goes away
		time.Sleep(50 * time.Millisecond)
		each = (heap() - before) / children
	}
	t.Logf("%d bytes for each idle child", each)
	if each > 1024 && !raceEnabled {
		t.Errorf("%d bytes for each idle child, want at most 1024", each)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 20+4*runtime.GOMAXPROCS(0) {
		t.Errorf("%d goroutines for idle children", n)
	}
	runtime.KeepAlive(changes)
}

// keepGoroutines has so many goroutines at once. The runtime keeps what it knows of each for the next one, so that
// it makes no difference after that how many starts were under way together.
func keepGoroutines(n int) {
	var wg sync.WaitGroup
	end := make(chan struct{})
	for range n {
		wg.Go(func() { <-end })
	}
	close(end)
	wg.Wait()
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
