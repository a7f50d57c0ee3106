//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/e2e/register"
	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

const (
	// registerPatience is how long an operation is waited for. It is short, so that a child that nobody
	// serves does not have all clients wait for it.
	registerPatience = 400 * time.Millisecond
	// generation is how long a register is used before the next of its child, so that no history grows
	// longer than can be checked with ease.
	generation = 30 * time.Second
)

// registerLoad is clients that read, write, and compare-and-set registers, each one operation at a time.
type registerLoad struct {
	h       *registerHub
	began   time.Time
	clients []*registerClient
	stopped chan struct{}
	running sync.WaitGroup
}

// registerClient is one client, over a connection of its own. Every operation is sent once.
type registerClient struct {
	h    *registerHub
	id   int // another one after each operation whose outcome is unknown: that one may still be under way
	step int
	nc   *nats.Conn
	mean time.Duration // pause between two operations
	rnd  *rand.Rand
	seen map[string]int64 // what it found last in a register

	last  register.Op
	child int // index of the child that was asked last
}

// values gives every write its own.
var values atomic.Int64

// startLoad starts n clients, which pause for as long between two operations in the mean; client i connects
// to server i, counted around, while it can.
func (h *registerHub) startLoad(n int, mean time.Duration, seed uint64) *registerLoad {
	h.t.Helper()
	l := &registerLoad{h: h, began: time.Now(), stopped: make(chan struct{})}
	for i := range n {
		l.clients = append(l.clients, h.newClient(i, n, mean, seed))
	}
	for _, c := range l.clients {
		l.running.Go(func() { l.run(c) })
	}
	h.t.Cleanup(l.stop)
	return l
}

func (h *registerHub) newClient(i, n int, mean time.Duration, seed uint64) *registerClient {
	h.t.Helper()
	nc := connect(h.t, h.urlFrom(i), nats.DontRandomize(), nats.ReconnectBufSize(-1),
		nats.PingInterval(500*time.Millisecond), nats.MaxPingsOutstanding(2), nats.Timeout(time.Second))
	h.t.Cleanup(nc.Close)
	return &registerClient{
		h: h, id: i, step: n, nc: nc, mean: mean, rnd: rand.New(rand.NewPCG(seed, uint64(i))), seen: map[string]int64{},
	}
}

// run does operations until the load is stopped.
func (l *registerLoad) run(c *registerClient) {
	for {
		select {
		case <-l.stopped:
			return
		case <-time.After(c.think()):
			c.last = c.do(c.draw(l.registers()))
		}
	}
}

// think returns the pause before the next operation, a longer one after a failure.
func (c *registerClient) think() time.Duration {
	d := time.Duration(c.rnd.Int64N(2 * int64(c.mean)))
	if c.last.Outcome != register.OK {
		d += 10 * time.Millisecond
	}
	return d
}

// registers returns the registers that are in use, one of each child.
func (l *registerLoad) registers() []string {
	var names []string
	for _, child := range l.h.children {
		names = append(names, fmt.Sprintf("%s/%d", child, time.Since(l.began)/generation))
	}
	return names
}

// stop ends the load and waits for the last answers. It may be called repeatedly.
func (l *registerLoad) stop() {
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	l.running.Wait()
}

// draw chooses an operation by chance. A client mostly stays with a child that answers: if it is cut off
// with a replica that should not answer any more, it goes on asking that one.
func (c *registerClient) draw(registers []string) register.Request {
	if c.last.Outcome != register.OK || c.rnd.IntN(20) == 0 {
		c.child = c.rnd.IntN(len(registers))
	}
	q := register.Request{Register: registers[c.child], Kind: register.Read}
	switch n := c.rnd.IntN(10); {
	case n < 3:
		q.Kind, q.Value = register.Write, values.Add(1)
	case n < 6:
		q.Kind, q.Value, q.Expect = register.CAS, values.Add(1), c.seen[q.Register]
	}
	return q
}

// do sends one operation and records what came of it.
func (c *registerClient) do(q register.Request) register.Op {
	o := register.Op{Client: c.id, Register: q.Register, Kind: q.Kind, Value: q.Value, Expect: q.Expect}
	data, err := json.Marshal(q)
	if err != nil {
		panic(err) // numbers and strings
	}
	o.Call = clock.Now()
	end := c.h.recorder.Begin(o)
	msg, err := c.nc.Request(protocol.SubjectsOf(hubName).Request(childOf(q.Register)), data, registerPatience)
	o.Return = clock.Now()
	if o.Outcome, err = judgeAnswer(&o, msg, err); err != nil {
		o.Error = err.Error()
	}
	switch {
	case o.Outcome == register.Unknown:
		c.id += c.step
	case o.Outcome == register.OK && (q.Kind == register.Write || o.Swapped):
		c.seen[q.Register] = q.Value
	case o.Outcome == register.OK:
		c.seen[q.Register] = o.Found
	}
	end(o)
	return o
}

// judgeAnswer says what is known of an operation, and fills in what was answered.
func judgeAnswer(o *register.Op, msg *nats.Msg, err error) (register.Outcome, error) {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return register.None, err
	case err != nil:
		return register.Unknown, err
	}
	o.Node = msg.Header.Get(protocol.HeaderNode)
	switch code := msg.Header.Get(protocol.HeaderErrorCode); code {
	case "":
	case strconv.Itoa(protocol.CodeNotActive), strconv.Itoa(register.CodeFenced):
		return register.None, fmt.Errorf("error %s: %s", code, msg.Header.Get(protocol.HeaderError))
	default:
		return register.Unknown, fmt.Errorf("error %s: %s", code, msg.Header.Get(protocol.HeaderError))
	}
	var a register.Answer
	if err := json.Unmarshal(msg.Data, &a); err != nil {
		return register.Unknown, err
	}
	if o.Epoch, err = strconv.ParseUint(msg.Header.Get(protocol.HeaderEpoch), 10, 64); err != nil {
		return register.Unknown, fmt.Errorf("an answer without an epoch: %w", err)
	}
	o.Found, o.Swapped = a.Found, a.Swapped
	return register.OK, nil
}

func childOf(name string) string {
	child, _, _ := strings.Cut(name, "/")
	return child
}

// readAll has every client read every register once more, when all faults are over: what was acknowledged
// must be there.
func (l *registerLoad) readAll(t *testing.T) {
	t.Helper()
	generations := int(time.Since(l.began)/generation) + 1
	for _, c := range l.clients {
		for i := range generations {
			for _, child := range l.h.children {
				q := register.Request{Register: fmt.Sprintf("%s/%d", child, i), Kind: register.Read}
				eventually(t, 30*time.Second, "the last read of "+q.Register, func() error {
					if o := c.do(q); o.Outcome != register.OK {
						return fmt.Errorf("%v: %s", o, o.Error)
					}
					return nil
				})
			}
		}
	}
}
