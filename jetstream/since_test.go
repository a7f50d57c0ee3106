package jetstream_test

import (
	"context"
	"fmt"
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
