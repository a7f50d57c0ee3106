package jetstream

import (
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestRoom_BoundsBytes(t *testing.T) {
	t.Parallel()
	r := newRoom("node1", protocol.VerbStart)
	var calls []*call
	for i := 0; ; i++ {
		data := make([]byte, 1<<20)
		data[0], data[1] = byte(i), byte(i>>8)
		c, p := r.enter(data)
		if p != nil {
			if p.Code != protocol.CodeBusy || i != waitingBytes/len(data) {
				t.Errorf("after %d requests of 1 MiB: %v", i, p)
			}
			break
		}
		calls = append(calls, c)
	}
	if _, p := r.enter(make([]byte, 1<<20)); p != nil {
		t.Errorf("an equal request takes no bytes: %v", p)
	} else {
		calls[0].leave()
	}
	for _, c := range calls {
		c.leave()
	}
	if r.bytes != waitingBytes || r.askers != 0 || len(r.calls) != 0 {
		t.Errorf("when all have left: %d bytes free, %d askers, %d calls", r.bytes, r.askers, len(r.calls))
	}
}
