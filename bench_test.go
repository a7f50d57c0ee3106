package phub_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

// BenchmarkStart10000 starts 10,000 children with two replicas each on three nodes, until all of them
// run, on one embedded NATS server. Everything shares this process and its cores.
func BenchmarkStart10000(b *testing.B) {
	url := natstest.Single(b).URL()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		hub := fmt.Sprintf("bench%d", i)
		leave := joinAll(b, url, hub, "node1", "node2", "node3")
		client, err := phub.NewClient(natstest.Connect(b, url), hub)
		if err != nil {
			b.Fatal(err)
		}
		specs := make([]phub.Spec, 10_000)
		for j := range specs {
			specs[j] = pair(fmt.Sprintf("c%d", j))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		b.StartTimer()
		results, err := client.Start(ctx, specs, nil)
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range results {
			if r.Error != nil || len(r.Replicas) != 2 {
				b.Fatalf("found %+v, expected two replicas", r)
			}
		}
		cancel()
		leave()
		b.StartTimer()
	}
}

func joinAll(b *testing.B, url, hub string, names ...string) (leave func()) {
	b.Helper()
	var nodes []*phub.Node
	for _, name := range names {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		n, err := phub.Join(ctx, phub.Options{
			Hub: hub, Name: name, URL: url, Kinds: map[string]phub.Kind{"who": who},
			Logger: slog.New(slog.DiscardHandler),
		})
		cancel()
		if err != nil {
			b.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	return func() {
		for _, n := range nodes {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			if err := n.Leave(ctx); err != nil {
				b.Error(err)
			}
			cancel()
		}
	}
}

// BenchmarkIdle shows what an idle hub of three nodes sends, by the count of the NATS server: messages
// and bytes per second, in and out together. They must not depend on the number of children.
func BenchmarkIdle(b *testing.B) {
	for _, children := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprintf("children=%d", children), func(b *testing.B) { benchmarkIdle(b, children) })
	}
}

func benchmarkIdle(b *testing.B, children int) {
	srv := natstest.Single(b)
	leave := joinAll(b, srv.URL(), "idle", "node1", "node2", "node3")
	defer leave()
	nc := natstest.Connect(b, srv.URL())
	client, err := phub.NewClient(nc, "idle")
	if err != nil {
		b.Fatal(err)
	}
	specs := make([]phub.Spec, children)
	for i := range specs {
		specs[i] = pair(fmt.Sprintf("c%d", i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := client.Start(ctx, specs, nil); err != nil {
		b.Fatal(err)
	}
	for { // the load is even when nothing is planned any more
		st, err := client.Status(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if st.Settled && st.Incomplete == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	const length = 3 * time.Second
	var msgs, bytes int64
	for b.Loop() {
		m, n := traffic(b, srv)
		time.Sleep(length)
		m2, n2 := traffic(b, srv)
		msgs, bytes = msgs+m2-m, bytes+n2-n
	}
	seconds := float64(b.N) * length.Seconds()
	b.ReportMetric(float64(msgs)/seconds, "msgs/s")
	b.ReportMetric(float64(bytes)/seconds, "B/s")
}

// traffic returns all messages and bytes that the server took and gave.
func traffic(b *testing.B, srv *natsembed.Server) (msgs, bytes int64) {
	b.Helper()
	v, err := srv.Running().Varz(nil)
	if err != nil {
		b.Fatal(err)
	}
	return v.InMsgs + v.OutMsgs, v.InBytes + v.OutBytes
}
