//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/register"
	"github.com/phub-io/phub/internal/clock"
)

// What can be found must be found: with a rule switched off, registers are not linearizable, and
// porcupine says so. Each test is also run with the rule.

// A node is cut off together with its NATS server and clients of that server, who go on asking it.
func TestRegister_CutOff(t *testing.T) {
	h := startRegisters(t, registerSetup{nodes: 3, children: 1})
	h.startLoad(6, 4*time.Millisecond, 1)
	for range 2 {
		h.cutOff()
	}
	if n := register.Takeovers(h.recorder.Ops()); n < 2 {
		t.Errorf("%d takeovers in 2 cuts: nothing was tested", n)
	}
	h.judge(h.recorder.Ops())
}

// The same without a rule is found out within 10 cuts.
func TestRegister_CutOffWithoutARule(t *testing.T) {
	for _, c := range []struct{ name, rule string }{
		{"TheLeaseEndsTrust", "lease"},
		{"AFencedMemberIsWaitedFor", "wait"},
		{"SilenceProvesNothing", "silence"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := startRegisters(t, registerSetup{nodes: 3, children: 1, without: c.rule})
			h.startLoad(6, 4*time.Millisecond, 1)
			const most = 10
			for n := range most {
				h.cutOff()
				if v := h.violation(h.recorder.Ops()); v != nil {
					t.Logf("found after %d cuts: %v", n+1, v)
					return
				}
			}
			t.Errorf("no violation was found in %d cuts, without the rule", most)
		})
	}
}

// cutOff has the child active on a node that is not the coordinator, and cuts its server off until clients
// of the others have been answered by another node for a second.
func (h *registerHub) cutOff() {
	h.t.Helper()
	i, child := 0, h.children[0]
	eventually(h.t, time.Minute, child+" is active on a node that does not coordinate", func() error {
		if i = 0; h.names[i] == h.coordinator() {
			i++
		}
		if h.active()[child] == h.names[i] {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := h.client.Move(ctx, child, h.names[i])
		return errors.Join(err, errors.New("it was not at the last look")) // without a rule nodes may just have lost each other
	})
	from := clock.Now()
	h.routes.cut(i)
	eventually(h.t, time.Minute, child+" is served while "+h.names[i]+" is cut off", func() error {
		for _, o := range h.recorder.Ops() {
			if childOf(o.Register) == child && o.Call > from && o.Outcome == register.OK && o.Node != h.names[i] {
				return nil
			}
		}
		return errors.New("by no other node")
	})
	time.Sleep(time.Second) // in which both sides are asked
	h.routes.heal(i)
	h.settled(len(h.names))
}

// A node dies while a write of its is on its way to the store, which gets it when another node is active.
func TestRegister_LateWrite(t *testing.T) {
	for _, c := range []struct {
		name      string
		unguarded bool
	}{{"AsBuilt", false}, {"WithAStoreThatIgnoresEpochs", true}} {
		t.Run(c.name, func(t *testing.T) {
			h := startRegisters(t, registerSetup{nodes: 3, children: 1, unguarded: c.unguarded})
			err := h.lateWrite("child1/0")
			v := h.violation(h.recorder.Ops())
			t.Logf("the late write: %v; violation: %v", err, v)
			if c.unguarded != (v != nil) || c.unguarded == errors.Is(err, register.ErrFenced) {
				t.Errorf("a store that ignores epochs: %v; the late write: %v; violation: %v", c.unguarded, err, v)
			}
		})
	}
}

// lateWrite has the swap of a node that was killed arrive after a write of its successor, and reads when
// a third epoch has come. It returns what the store said to the swap.
func (h *registerHub) lateWrite(name string) error {
	h.t.Helper()
	c, doomed := h.newClient(0, 2, 0, 1), h.newClient(1, 2, 0, 1)
	first := h.until(c, register.Request{Register: name, Kind: register.Write}, 0)
	late := h.store.holdUp(name)
	go doomed.do(register.Request{Register: name, Kind: register.CAS, Expect: first.Value, Value: values.Add(1)})
	within(h.t, late.arrived)
	h.kill(first.Node)
	second := h.until(c, register.Request{Register: name, Kind: register.Write}, first.Epoch)
	close(late.release)
	err := <-late.done
	h.settled(2)
	h.phub("child", "move", childOf(name), h.otherReplica(childOf(name), second.Node))
	h.until(c, register.Request{Register: name, Kind: register.Read}, second.Epoch)
	return err
}

// until repeats an operation until it is answered in an epoch after the one named. Each try writes another
// value.
func (h *registerHub) until(c *registerClient, q register.Request, epoch uint64) register.Op {
	h.t.Helper()
	var o register.Op
	eventually(h.t, 30*time.Second, fmt.Sprintf("a %s after epoch %d", q.Kind, epoch), func() error {
		if q.Kind != register.Read {
			q.Value = values.Add(1)
		}
		if o = c.do(q); o.Outcome != register.OK || o.Epoch <= epoch {
			return fmt.Errorf("%v in epoch %d: %s", o, o.Epoch, o.Error)
		}
		return nil
	})
	return o
}

// within waits for something that is to happen soon.
func within(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("it did not happen within 30 s")
	}
}
