//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// routes carries what the servers of a cluster say to each other, and can cut a server off from the
// others: what is under way then stands still, as in a network that loses everything, and goes on when
// the cut is healed. Nodes and clients still reach the server.
type routes struct {
	n       int
	between map[[2]int]*route // from who dials to who listens
}

// route is one server's way to another.
type route struct {
	listener net.Listener
	to       string // where the other listens

	mu     sync.Mutex
	change *sync.Cond
	cuts   int // of either end
	closed bool
	conns  map[net.Conn]bool
}

// startCuttableNATS is startNATS with three servers that can be cut off.
func startCuttableNATS(t *testing.T) (*natsCluster, *routes) {
	t.Helper()
	const n = 3
	r := &routes{n: n, between: map[[2]int]*route{}}
	for i := range n * n {
		from, to := i/n, i%n
		if from != to {
			r.between[[2]int{from, to}] = listen(t)
		}
	}
	return startNATSOver(t, n, r.arguments), r
}

// arguments tells a server of the routes to the others, and to tell nobody of a way around them.
func (r *routes) arguments(i int, cluster []string) []string {
	var urls []string
	for j := range r.n {
		if w := r.between[[2]int{i, j}]; w != nil {
			w.to = cluster[j]
			urls = append(urls, "nats://"+w.listener.Addr().String())
			go w.accept()
		}
	}
	return []string{"--routes", strings.Join(urls, ","), "--cluster_advertise", "127.0.0.1:1"}
}

// cut cuts a server off from the others, both ways.
func (r *routes) cut(i int) { r.count(i, 1) }

// heal ends a cut.
func (r *routes) heal(i int) { r.count(i, -1) }

func (r *routes) count(i, by int) {
	for ends, w := range r.between {
		if ends[0] == i || ends[1] == i {
			w.mu.Lock()
			w.cuts += by
			w.change.Broadcast()
			w.mu.Unlock()
		}
	}
}

func listen(t *testing.T) *route {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &route{listener: l, conns: map[net.Conn]bool{}}
	w.change = sync.NewCond(&w.mu)
	t.Cleanup(w.close)
	return w
}

func (w *route) close() {
	w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.change.Broadcast()
	for c := range w.conns {
		c.Close()
	}
}

func (w *route) accept() {
	for {
		in, err := w.listener.Accept()
		if err != nil {
			return // closed at the test's end
		}
		go w.join(in)
	}
}

// join carries one connection until either end closes it.
func (w *route) join(in net.Conn) {
	defer w.forget(in)
	if err := w.keep(in); err != nil {
		return
	}
	out, err := net.Dial("tcp", w.to)
	if err != nil {
		return // the server is down: who dialled sees a closed connection
	}
	defer w.forget(out)
	if err := w.keep(out); err != nil {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		w.carry(in, out)
	}()
	w.carry(out, in)
	<-back
}

// carry copies until one end is closed, and closes the other. While the way is cut nothing passes, not
// even an end.
func (w *route) carry(to, from net.Conn) {
	_, _ = io.Copy(gate{to, w}, from) // however it ended, it has ended
	_ = w.pass()
	to.Close()
	from.Close()
}

// gate lets nothing through while its way is cut.
type gate struct {
	net.Conn
	way *route
}

func (g gate) Write(b []byte) (int, error) {
	if err := g.way.pass(); err != nil {
		return 0, err
	}
	return g.Conn.Write(b)
}

// ReadFrom hides that of the connection, which would let everything through.
func (g gate) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{g}, r)
}

var errClosed = errors.New("the route is closed")

// pass waits until the way is not cut.
func (w *route) pass() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.cuts > 0 && !w.closed {
		w.change.Wait()
	}
	if w.closed {
		return errClosed
	}
	return nil
}

// keep waits until the way is not cut, and has the connection closed at the end.
func (w *route) keep(c net.Conn) error {
	if err := w.pass(); err != nil {
		return fmt.Errorf("keep %v: %w", c.RemoteAddr(), err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = true
	return nil
}

func (w *route) forget(c net.Conn) {
	c.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}
