package inmem_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/inmem"
	"github.com/phub-io/phub/protocol"
)

// heard counts what a session is told.
type heard struct{ records, noInterest int }

func (h *heard) Record(view.Record)                                              { h.records++ }
func (h *heard) Beat(protocol.Beat, func(protocol.BeatAnswer))                   {}
func (h *heard) Control(string, string, []byte, func([]byte, *protocol.Problem)) {}
func (*heard) Woken()                                                            {}
func (*heard) ConnReported(protocol.Conn)                                        {}

func (h *heard) NoInterest(string)         { h.noInterest++ }
func (h *heard) Missed(protocol.Bucket)    {}
func (h *heard) Undecodable(string, error) {}

// within runs f in a bubble, with two sessions at two servers.
func within(t *testing.T, f func(ctx context.Context, n *inmem.NATS, a, b *inmem.Session, h *heard)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		n, h := inmem.New(), &heard{}
		a, b := n.Open(inmem.Config{Hub: "h", Node: "a"}), n.Open(inmem.Config{Hub: "h", Node: "b", Server: "S2"})
		defer a.Close()
		defer b.Close()
		if err := b.Serve(ctx, h); err != nil {
			t.Fatal(err)
		}
		f(ctx, n, a, b, h)
	})
}

func put(ctx context.Context, s *inmem.Session, last uint64) error {
	_, err := s.Commit(ctx, []view.Write{{Key: "k", Last: last}})
	return err
}

func TestDrop_LosesWhatItNames(t *testing.T) {
	within(t, func(ctx context.Context, n *inmem.NATS, a, _ *inmem.Session, h *heard) {
		n.Drop(func(_, to, _ string) bool { return to == "b" })
		if err := put(ctx, a, 0); err != nil {
			t.Error(err)
		}
		n.Drop(nil)
		if err := put(ctx, a, 1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if h.records != 1 {
			t.Errorf("heard %d records, want 1", h.records)
		}
	})
}

func TestStall_LetsWritesWait(t *testing.T) {
	within(t, func(ctx context.Context, n *inmem.NATS, a, _ *inmem.Session, _ *heard) {
		n.Stall("", true)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := put(short, a, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stalled write: %v", err)
		}
		time.AfterFunc(5*time.Second, func() { n.Stall("", false) })
		begin := time.Now()
		if err := put(ctx, a, 0); err != nil || time.Since(begin) != 5*time.Second {
			t.Errorf("write after the stall: %v, after %v", err, time.Since(begin))
		}
	})
}

func TestLoseAcks_StoresAndSaysNothing(t *testing.T) {
	within(t, func(ctx context.Context, n *inmem.NATS, a, _ *inmem.Session, _ *heard) {
		n.LoseAcks(1)
		if err := put(ctx, a, 0); err == nil || errors.Is(err, coordinator.ErrConflict) {
			t.Errorf("write whose acknowledgement is lost: %v", err)
		}
		if err := put(ctx, a, 1); err != nil {
			t.Errorf("it was not stored: %v", err)
		}
	})
}

func TestSever_EndsAConnectionAtTheServerOnly(t *testing.T) {
	within(t, func(ctx context.Context, n *inmem.NATS, a, b *inmem.Session, h *heard) {
		n.Sever(b)
		if e, err := a.Connected(ctx, b.Conn()); e != view.Closed || err != nil {
			t.Errorf("severed connection: %v, %v", e, err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := put(short, b, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("write over a severed connection: %v", err)
		}
		if err := put(ctx, a, 0); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case <-b.Done():
			t.Error("the node was told")
		default:
		}
		if h.records != 0 {
			t.Errorf("heard %d records", h.records)
		}
	})
}

func TestStopServer_EndsItsSessionsAndItsEvidence(t *testing.T) {
	within(t, func(ctx context.Context, n *inmem.NATS, a, b *inmem.Session, _ *heard) {
		n.StopServer("S2")
		<-b.Done()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if e, err := a.Connected(short, b.Conn()); e != view.Unknown || err != nil {
			t.Errorf("connection of a stopped server: %v, %v", e, err)
		}
		again := n.Open(inmem.Config{Hub: "h", Node: "b", Server: "S2"})
		defer again.Close()
		if again.Conn().Server == b.Conn().Server {
			t.Error("the server has its old id")
		}
		n.Silence("S2", true)
		short, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
		if e, _ := a.Connected(short, again.Conn()); e != view.Unknown {
			t.Errorf("connection of a silent server: %v", e)
		}
	})
}

func TestHold_DeliversLater(t *testing.T) {
	within(t, func(ctx context.Context, n *inmem.NATS, a, b *inmem.Session, h *heard) {
		n.Hold(b, true)
		n.Delay(time.Millisecond)
		if err := put(ctx, a, 0); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if h.records != 0 {
			t.Error("a paused session heard a record")
		}
		n.Hold(b, false)
		time.Sleep(10 * time.Millisecond) // the bubble's time: what was held is delivered a delay later
		synctest.Wait()
		if h.records != 1 {
			t.Errorf("heard %d records, want 1", h.records)
		}
	})
}
