//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

// load is a plain NATS client that sends numbered requests to children all the time, each once.
type load struct {
	t        *testing.T
	name     string // begins the ids of its requests
	subjects protocol.Subjects
	conns    []*nats.Conn // one to each server
	via      atomic.Int64 // the one that is used
	number   atomic.Int64
	stopped  chan struct{}
	running  sync.WaitGroup

	mu   sync.Mutex
	sent []history.Sent
}

const (
	// every is the interval of requests to each child.
	every = 10 * time.Millisecond
	// patience is how long a request is waited for.
	patience = time.Second
)

// startLoad starts to send requests to children, until the test stops it.
func startLoad(t *testing.T, c *natsCluster, hub string, children []string) *load {
	t.Helper()
	l := newLoad(t, hub)
	l.connect(c)
	l.send(children, every)
	return l
}

// connect opens a connection to each server.
func (l *load) connect(c *natsCluster) {
	for _, s := range c.servers {
		nc := connect(l.t, s.url, nats.IgnoreDiscoveredServers(), nats.ReconnectBufSize(-1))
		l.t.Cleanup(nc.Close)
		l.conns = append(l.conns, nc)
	}
}

func newLoad(t *testing.T, hub string) *load {
	return &load{t: t, subjects: protocol.SubjectsOf(hub), stopped: make(chan struct{})}
}

// send starts to send requests to children, to each one at an interval.
func (l *load) send(children []string, interval time.Duration) {
	for i, child := range children {
		offset := interval * time.Duration(i) / time.Duration(len(children))
		l.running.Go(func() { l.stream(child, interval, offset) })
	}
	l.t.Cleanup(l.stop)
}

// use makes requests go through the i-th server from now on.
func (l *load) use(i int) { l.via.Store(int64(i)) }

func (l *load) stream(child string, interval, offset time.Duration) {
	time.Sleep(offset)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-l.stopped:
			return
		case <-tick.C:
			l.running.Go(func() { l.request(child) })
		}
	}
}

func (l *load) request(child string) {
	s := history.Sent{ID: l.name + strconv.FormatInt(l.number.Add(1), 10), Child: child, At: clock.Now()}
	msg, err := l.conns[l.via.Load()].Request(l.subjects.Request(child), []byte(s.ID), patience)
	s.Done = clock.Now()
	s.Outcome = outcome(msg, err, s.ID)
	if s.Outcome == history.OK {
		s.Node = msg.Header.Get(protocol.HeaderNode)
		s.Epoch, _ = strconv.ParseUint(msg.Header.Get(protocol.HeaderEpoch), 10, 64) // 0 is no epoch: the checker finds it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, s)
}

func outcome(msg *nats.Msg, err error, id string) string {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return "no responders"
	case errors.Is(err, nats.ErrTimeout):
		return "no answer"
	case err != nil:
		return err.Error()
	case msg.Header.Get(protocol.HeaderErrorCode) != "":
		return "error " + msg.Header.Get(protocol.HeaderErrorCode)
	case string(msg.Data) != id:
		return fmt.Sprintf("the answer to another request: %q", msg.Data)
	}
	return history.OK
}

// stop ends the stream and waits for the last answers. It may be called repeatedly.
func (l *load) stop() {
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	l.running.Wait()
}

// soFar returns what was sent and is done.
func (l *load) soFar() []history.Sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]history.Sent(nil), l.sent...)
}
