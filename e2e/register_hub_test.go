//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/register"
)

// registerHub is a hub of children that keep registers, which they write to a store of the test's.
type registerHub struct {
	*testHub
	routes   *routes
	store    *storeServer
	names    []string // of the nodes
	children []string
	recorder register.Recorder
}

// registerSetup is what a registerHub is started with.
type registerSetup struct {
	nodes, children int
	without         string // the safety rule that nodes do without
	unguarded       bool   // the store ignores epochs
}

// startRegisters starts three servers that can be cut off, nodes, and children that have a replica on
// all nodes but one. Node i connects to server i, counted around, while it can.
func startRegisters(t *testing.T, s registerSetup) *registerHub {
	t.Helper()
	c, r := startCuttableNATS(t)
	h := &registerHub{
		testHub: &testHub{t: t, nats: c, dir: c.dir, without: s.without, nodes: map[string]*process{}},
		routes:  r, store: startStore(t, s.unguarded),
	}
	h.connect()
	for i := range s.nodes {
		h.names = append(h.names, fmt.Sprintf("node%d", i+1))
		h.startNode(h.names[i])
	}
	h.settled(s.nodes)
	for i := range s.children {
		h.children = append(h.children, fmt.Sprintf("child%d", i+1))
	}
	h.phub(append([]string{"child", "start", "--kind", "register", "--replicas", fmt.Sprint(s.nodes - 1), "--model", "active_passive"}, h.children...)...)
	h.settled(s.nodes)
	return h
}

// startNode starts a node, or starts it again.
func (h *registerHub) startNode(name string) {
	h.t.Helper()
	if old := h.nodes[name]; old != nil {
		old.shown = 0 // the log goes on
	}
	args := []string{
		"-hub", hubName, "-name", name, "-in-order", "-url", h.urlFrom(slices.Index(h.names, name)),
		"-store", h.store.url, "-record", os.DevNull,
	}
	if h.without == "" {
		h.nodes[name] = start(h.t, h.dir, name, bin.testnode, args...)
	} else {
		h.nodes[name] = start(h.t, h.dir, name, bin.unsafe, append(args, "-unsafe", h.without)...)
	}
}

// urlFrom returns the servers' URLs, beginning with the i-th, counted around.
func (h *registerHub) urlFrom(i int) string {
	urls := strings.Split(h.nats.url(), ",")
	i %= len(urls)
	return strings.Join(append(slices.Clone(urls[i:]), urls[:i]...), ",")
}

// violation returns what porcupine finds in the operations, or nil.
func (h *registerHub) violation(ops []register.Op) *register.Violation {
	h.t.Helper()
	began := time.Now()
	v, err := register.Check(ops, time.Minute)
	if err != nil {
		h.t.Errorf("the history was not judged: %v", err)
	}
	h.t.Logf("porcupine checked %d operations in %v", len(ops), time.Since(began).Round(time.Millisecond))
	return v
}

// judge fails the test if the operations are not linearizable, and says where all is to be found.
func (h *registerHub) judge(ops []register.Op) *register.Violation {
	h.t.Helper()
	v := h.violation(ops)
	if v != nil {
		h.t.Errorf("violation: %v; see %v", v, h.save(v, ops))
	}
	return v
}

// save keeps a violation and the history in a folder that is not removed.
func (h *registerHub) save(v *register.Violation, ops []register.Op) []string {
	h.t.Helper()
	dir, err := os.MkdirTemp("", "phub-register-")
	if err != nil {
		h.t.Fatal(err)
	}
	files, err := v.Save(dir)
	if err == nil {
		files = append(files, dir+"/history.json")
		err = register.SaveOps(dir+"/history.json", ops)
	}
	if err != nil {
		h.t.Errorf("keep the history in %s: %v", dir, err)
	}
	return files
}

// storeServer is a register.Store that nodes reach over HTTP.
type storeServer struct {
	register.Store
	url string

	mu   sync.Mutex
	late *lateWrite
}

// lateWrite is a write that is held up on its way.
type lateWrite struct {
	register string
	arrived  chan struct{}
	release  chan struct{}
	done     chan error
}

func startStore(t *testing.T, unguarded bool) *storeServer {
	t.Helper()
	s := &storeServer{Store: register.Store{Unguarded: unguarded}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /open", s.serve(func(q *register.Stored) (err error) {
		q.Value, err = s.Open(q.Register, q.Epoch)
		return err
	}))
	mux.HandleFunc("POST /write", s.serve(s.write))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *storeServer) serve(f func(*register.Stored) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q register.Stored
		err := json.NewDecoder(r.Body).Decode(&q)
		if err == nil {
			err = f(&q)
		}
		switch {
		case errors.Is(err, register.ErrFenced):
			http.Error(w, err.Error(), register.CodeFenced)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			_ = json.NewEncoder(w).Encode(q) // an error says that the node has died
		}
	}
}

func (s *storeServer) write(q *register.Stored) error {
	late := s.isLate(q.Register)
	if late == nil {
		return s.Write(q.Register, q.Epoch, q.Value)
	}
	close(late.arrived)
	<-late.release
	err := s.Write(q.Register, q.Epoch, q.Value)
	late.done <- err
	return err
}

// holdUp makes the next write to a register a late one.
func (s *storeServer) holdUp(name string) *lateWrite {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = &lateWrite{register: name, arrived: make(chan struct{}), release: make(chan struct{}), done: make(chan error, 1)}
	return s.late
}

// isLate returns the late write that a write to a register is to be, once, or nil.
func (s *storeServer) isLate(name string) *lateWrite {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.late
	if late == nil || late.register != name {
		return nil
	}
	s.late = nil
	return late
}
