package jetstream_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

type replies struct{}

func (replies) Refused(string, error) {}

func (replies) Release(protocol.ReleaseRequest, func(protocol.ReleaseAnswer)) {}
func (replies) Request(r *worker.Incoming) {
	_ = r.Reply.Reply(map[string][]string{protocol.HeaderNode: {"n"}, protocol.HeaderEpoch: {"42"}}, r.Data)
}

// BenchmarkRequest asks a responder on our transport, a bare nats.go one, and a bare one that sends the
// same headers, in turns, in one run, and reports the ratios of their throughputs (ours/bare). What is
// between the two ratios is the price of headers, most of it paid by the clients, who share the machine.
func BenchmarkRequest(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			srv := natstest.Single(b)
			s := open(b, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL()), Logger: slog.New(slog.DiscardHandler)})
			if err := s.Transport().Serve(replies{}); err != nil {
				b.Fatal(err)
			}
			if err := s.Transport().Open(b.Context(), []protocol.Interest{{Child: "c"}}); err != nil {
				b.Fatal(err)
			}
			bare := natstest.Connect(b, srv.URL())
			if _, err := bare.Subscribe("bare", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
				b.Fatal(err)
			}
			header := nats.Header{protocol.HeaderNode: {"n"}, protocol.HeaderEpoch: {"42"}}
			if _, err := bare.Subscribe("headers", func(m *nats.Msg) { _ = m.RespondMsg(&nats.Msg{Header: header, Data: m.Data}) }); err != nil {
				b.Fatal(err)
			}
			if err := bare.Flush(); err != nil {
				b.Fatal(err)
			}
			var conns []*nats.Conn
			for range clients {
				conns = append(conns, natstest.Connect(b, srv.URL()))
			}
			var ours, theirs, headers time.Duration
			b.ResetTimer()
			for done := 0; done < b.N; {
				n := min(b.N-done, 500)
				ours += ask(b, conns, "phub.h.req.c", n)
				theirs += ask(b, conns, "bare", n)
				headers += ask(b, conns, "headers", n)
				done += n
			}
			b.ReportMetric(float64(theirs)/float64(ours), "ratio")
			b.ReportMetric(float64(headers)/float64(ours), "ratio-with-headers")
			b.ReportMetric(float64(b.N)/ours.Seconds(), "req/s")
		})
	}
}

func ask(b *testing.B, conns []*nats.Conn, subject string, n int) time.Duration {
	data := make([]byte, 128)
	begin := time.Now()
	var wg sync.WaitGroup
	for i, nc := range conns {
		wg.Go(func() {
			for range (n + i) / len(conns) {
				if _, err := nc.Request(subject, data, 10*time.Second); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

func benchmarkCommit(b *testing.B, n int) {
	srv := natstest.Single(b)
	s := open(b, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())})
	writes := make([]view.Write, n)
	for i := range writes {
		writes[i] = view.Write{Key: fmt.Sprintf("child.%d", i), Value: make([]byte, 200)}
	}
	for b.Loop() {
		last, err := s.Commit(b.Context(), writes)
		if err != nil {
			b.Fatal(err)
		}
		for i := range writes {
			writes[i].Last = last - uint64(n-1-i)
		}
	}
}

func BenchmarkCommit1(b *testing.B)    { benchmarkCommit(b, 1) }
func BenchmarkCommit1000(b *testing.B) { benchmarkCommit(b, 1000) }

// BenchmarkOpenClose10000 opens and closes ten thousand children.
func BenchmarkOpenClose10000(b *testing.B) {
	srv := natstest.Single(b)
	s := open(b, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())})
	if err := s.Transport().Serve(replies{}); err != nil {
		b.Fatal(err)
	}
	var children []string
	var interests []protocol.Interest
	for i := range 10000 {
		children = append(children, fmt.Sprintf("child.%d", i))
		interests = append(interests, protocol.Interest{Child: children[i]})
	}
	var opening, closing time.Duration
	for b.Loop() {
		begin := time.Now()
		if err := s.Transport().Open(b.Context(), interests); err != nil {
			b.Fatal(err)
		}
		opened := time.Now()
		if err := s.Transport().Close(b.Context(), children); err != nil {
			b.Fatal(err)
		}
		opening, closing = opening+opened.Sub(begin), closing+time.Since(opened)
	}
	b.ReportMetric(float64(opening.Milliseconds())/float64(b.N), "open-ms")
	b.ReportMetric(float64(closing.Milliseconds())/float64(b.N), "close-ms")
}
