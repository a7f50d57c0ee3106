package jetstream_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// A bucket of many records is read through a consumer, in milliseconds; without its answers they would be read one by
// one, after seconds of waiting. What is stored may bear whatever headers somebody gave it, those of NATS's own
// answers among them.
func TestSince_ReadsManyInOneGoWhateverHeadersTheyBear(t *testing.T) {
	t.Parallel()
	const records = 200
	s := natstest.SingleWith(t, natsembed.Config{Account: "TEST"})
	p := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(s.URL())})
	nc := natstest.Connect(t, s.URL())
	forged := []nats.Header{
		nil,
		{"Status": {"503"}},
		{"Status": {"404"}, "Description": {"No Messages"}},
		{"Status": {"408"}},
		{"Status": {"409"}, "Description": {"Consumer Deleted"}},
		{"Status": {"-1"}},
		{"Status": {""}},
		{"Nats-Service-Error-Code": {"500"}, "Nats-Service-Error": {"no"}},
		{"Nats-Stream": {"other"}, "Nats-Sequence": {"7"}, "Nats-Subject": {"other"}},
	}
	for i := range records {
		m := &nats.Msg{Subject: fmt.Sprintf("$KV.%s.k%d", protocol.ChildrenBucket.Name("h"), i), Header: forged[i%len(forged)]}
		if _, err := nc.RequestMsgWithContext(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	for _, after := range []uint64{0, 1, 100, 190} { // many and few
		recs, last, err := p.Since(ctx, protocol.ChildrenBucket, after)
		if err != nil || last != records || len(recs) != records-int(after) {
			t.Errorf("after %d: %d records to %d, %v; want %d to %d", after, len(recs), last, err, records-int(after), records)
		}
	}
}

// far is a way to a server on which each message takes its time.
type far struct{ net.Conn }

const farness = 30 * time.Millisecond

func (f far) Write(p []byte) (int, error) {
	time.Sleep(farness)
	return f.Conn.Write(p)
}

func (far) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return far{c}, err
}

// Of a bucket in which more is stored than can be read one by one, the last record of each key is read all the same.
func TestSince_ComesToAnEndWhereMoreIsStoredAllTheTime(t *testing.T) {
	t.Parallel()
	const keys = 40
	s := natstest.SingleWith(t, natsembed.Config{Account: "TEST"})
	p := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: func(o ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(s.URL(), append(o, nats.SetCustomDialer(far{}))...)
	}})
	nc := natstest.Connect(t, s.URL())
	store := func(ctx context.Context, i int) error {
		_, err := nc.RequestMsgWithContext(ctx, nats.NewMsg(fmt.Sprintf("$KV.%s.k%d", protocol.NodesBucket.Name("h"), i%keys)))
		return err
	}
	for i := range 2 * keys {
		if err := store(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var writer sync.WaitGroup
	writer.Go(func() {
		for i, tick := 0, time.NewTicker(5*time.Millisecond); ctx.Err() == nil; i++ {
			<-tick.C
			_ = store(ctx, i) // the last one is cut short
		}
	})
	recs, last, err := p.Since(ctx, protocol.NodesBucket, 0)
	cancel()
	writer.Wait()
	seen := map[string]bool{}
	for _, r := range recs {
		seen[r.Key] = true
	}
	if err != nil || len(seen) != keys || last <= 2*keys {
		t.Errorf("%d records of %d keys, to revision %d: %v; want those of %d keys, to a revision after %d", len(recs), len(seen), last, err, keys, 2*keys)
	}
}
