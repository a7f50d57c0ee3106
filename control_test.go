package phub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// A name that is nearly as long as a message may be gets an answer, and a clear one.
func TestControl_NamesOfAnyLengthAreAnswered(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	h := newTestHub(t, srv.URL())
	h.join("node1")
	nc := natstest.Connect(t, srv.URL())
	long := strings.Repeat("x", 900_000)
	for verb, request := range map[string]string{
		protocol.VerbMove: `{"child":"a","node":"` + long + `"}`,
		protocol.VerbInfo: `{"child":"` + long + `"}`,
		protocol.VerbList: `{"filter":"` + long + `"}`,
		protocol.VerbStop: `{"children":["` + long + `"]}`,
	} {
		m, err := nc.Request("phub.my_hub.ctl."+verb, []byte(request), 10*time.Second)
		if err != nil {
			t.Errorf("%s: %v", verb, err)
			continue
		}
		if text := string(m.Data); len(text) > 2000 || !strings.Contains(text, "400") || !strings.Contains(text, "900000 bytes") && verb != protocol.VerbList {
			t.Errorf("%s: answered %.300s (%d bytes)", verb, text, len(text))
		}
	}
}
