package jetstream

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// TestStored_TakesTheStreamsHeaders is about a value that somebody stored with headers of the same names: the stream
// appends its own.
func TestStored_TakesTheStreamsHeaders(t *testing.T) {
	t.Parallel()
	s := &Session{cfg: Config{Hub: "h"}, subjects: protocol.SubjectsOf("h")}
	const own = "KV_phub_h_placement"
	for _, c := range []struct {
		name, subject    string
		stream, sequence []string
		revision         uint64 // 0: it is none
	}{
		{"as the stream repeats it", "phub.h.int.kv.placement.a.b", []string{own}, []string{"7"}, 7},
		{"stored with such headers", "phub.h.int.kv.placement.a.b", []string{own, own}, []string{"900", "7"}, 7},
		{"stored with others", "phub.h.int.kv.placement.a.b", []string{"other", own}, []string{"junk", "7"}, 7},
		{"of another stream", "phub.h.int.kv.placement.a.b", []string{own, "other"}, []string{"7"}, 0},
		{"without a sequence", "phub.h.int.kv.placement.a.b", []string{own}, nil, 0},
		{"with what is none", "phub.h.int.kv.placement.a.b", []string{own}, []string{"-7"}, 0},
		{"without headers", "phub.h.int.kv.placement.a.b", nil, nil, 0},
		{"of another bucket", "phub.h.int.kv.nodes.a.b", []string{own}, []string{"7"}, 0},
	} {
		m := &nats.Msg{Subject: c.subject, Header: nats.Header{"Nats-Stream": c.stream, "Nats-Sequence": c.sequence}}
		r, err := s.stored(protocol.PlacementBucket, m)
		if (err == nil) != (c.revision > 0) || r.Revision != c.revision || err == nil && r.Key != "a.b" {
			t.Errorf("%s: found %+v, %v, expected revision %d", c.name, r, err, c.revision)
		}
	}
}
