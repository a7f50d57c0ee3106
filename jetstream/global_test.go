package jetstream_test

import (
	"testing"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
)

// TestConnected_InTheGlobalAccount asks in the account of a server without any configuration. Nothing
// runs beside it: see natsembed.Config.Account.
func TestConnected_InTheGlobalAccount(t *testing.T) {
	srv := natstest.SingleWith(t, natsembed.Config{})
	cfg := jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())}
	s, gone := open(t, cfg), open(t, cfg)
	if e, err := s.Connected(t.Context(), gone.Conn()); e != view.Open || err != nil {
		t.Errorf("living connection: %v, %v", e, err)
	}
	if err := srv.Disconnect(gone.Conn().Client); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dead connection is closed", func() bool {
		e, err := s.Connected(t.Context(), gone.Conn())
		return err == nil && e == view.Closed
	})
}
