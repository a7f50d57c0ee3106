package view

import (
	"testing"

	"github.com/phub-io/phub/protocol"
)

// What was acknowledged is committed, whether what stands over its view was read before or after the acknowledgement.
func TestHistory_OwnCommitsStand(t *testing.T) {
	t.Parallel()
	in := protocol.Incarnation{Node: "node1", ID: "8e1c25a6-5c7e-8d6e-9a76-1c2d3e4f5a6b"}
	view := func(number uint64, batch int) []byte {
		return encode(protocol.View{V: 1, Number: number, Coordinator: in, Members: []protocol.Member{{Incarnation: in, Since: 1}}, Nonce: "n", Batch: batch})
	}
	entry := func(number uint64) []byte {
		return encode(protocol.Entry{V: 1, View: number, Epoch: number, Spec: 1, Exclusive: true, Replicas: []protocol.Replica{{Node: "node1", Mode: protocol.Active}}})
	}
	record := func(revision uint64, key string, value []byte) Record {
		return Record{Bucket: protocol.PlacementBucket, Key: key, Value: value, Revision: revision}
	}
	for name, read := range map[string]bool{"read before": true, "read after": false} {
		h := NewHistory()
		h.unsafe.BelieveViews = true
		h.Loaded([]Record{record(1, "child1", entry(1)), record(2, protocol.ViewKey, view(1, 2))}, 2)
		own := []Record{record(4, "child1", entry(2)), record(5, protocol.ViewKey, view(2, 2))}
		since := []Record{record(3, "stranger", []byte("junk")), own[0], record(6, protocol.ViewKey, []byte("junk"))}
		var commits []Commit
		if read {
			commits = append(h.Loaded(since, 6), h.Own(own)...)
		} else {
			commits = append(h.Own(own), h.Loaded(since, 6)...)
		}
		if len(commits) != 1 || h.View().Number != 2 || h.Entry("child1").Epoch != 2 {
			t.Errorf("%s: found %d commits, view %d, epoch %d; expected 1, 2 and 2", name, len(commits), h.View().Number, h.Entry("child1").Epoch)
		}
		bad := map[string]bool{}
		for _, b := range h.Bad() {
			bad[b.Key] = true
		}
		if !bad[protocol.ViewKey] || bad["child1"] || !bad["stranger"] {
			t.Errorf("%s: not obeyed are %v, expected the view's key and stranger", name, h.Bad())
		}
		if again := h.Own(own); len(again) != 0 {
			t.Errorf("%s: it is committed twice", name)
		}
	}
}
