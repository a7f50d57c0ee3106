package phub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// versions is a kind whose workers answer with the argument "version"; the version "bad" does not start.
type versions struct {
	mu     sync.Mutex
	starts map[string]int
	told   []string
}

func (v *versions) kind(r phub.Replica) (phub.Worker, error) {
	version := r.Args["version"]
	v.mu.Lock()
	v.starts[r.Child]++
	v.mu.Unlock()
	if version == "bad" {
		return nil, errors.New("version bad is broken")
	}
	return &versioned{v, r}, nil
}

func (v *versions) startsOf(child string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.starts[child]
}

type versioned struct {
	all *versions
	r   phub.Replica
}

func (w *versioned) Handle(context.Context, *phub.Message) ([]byte, error) {
	return []byte(w.r.Args["version"]), nil
}

func (w *versioned) ModeChanged(_ context.Context, c phub.ModeChange) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.all.told = append(w.all.told, fmt.Sprintf("%s %s", w.r.Child, c.Mode))
}

// versionedHub is a hub of n nodes that run versions.
func versionedHub(t *testing.T, url string, n int) (*testHub, *versions) {
	t.Helper()
	h, v := newTestHub(t, url), &versions{starts: map[string]int{}}
	for i := range n {
		o := h.options(fmt.Sprintf("node%d", i+1))
		o.Kinds["versioned"] = v.kind
		h.joinWith(o)
	}
	return h, v
}

func versionedSpec(child, version string, replicas int) phub.Spec {
	s := phub.Spec{Child: child, Kind: "versioned", Args: map[string]string{"version": version}}
	if replicas > 1 {
		s.Redundancy = phub.Redundancy{Factor: phub.Factor(replicas), Model: phub.ActivePassive}
	}
	return s
}

func (h *testHub) update(updates ...phub.Update) []phub.ChildResult {
	h.t.Helper()
	results, err := h.client.Update(h.ctx(30*time.Second), updates, nil)
	if err != nil {
		h.t.Fatalf("update: %v", err)
	}
	return results
}

func (h *testHub) answers(child, want string) {
	h.t.Helper()
	r, err := h.client.Request(h.ctx(5*time.Second), child, nil)
	if err != nil || string(r.Data) != want {
		h.t.Errorf("%s answers %q, %v; want %q", child, r.Data, err, want)
	}
}

// Args of children of one, two and three replicas are changed under a load of plain requests, which are sent once only.
func TestUpdate_ArgsCostNoRequest(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t)
	h, _ := versionedHub(t, c.URL(), 3)
	var urls, children []string
	for _, s := range c.Servers {
		urls = append(urls, s.URL())
	}
	var specs []phub.Spec
	for i := range 30 {
		s := versionedSpec(fmt.Sprintf("c%d", i), "1", 1+i%3)
		specs, children = append(specs, s), append(children, s.Child)
	}
	h.start(specs...)
	l := h.plainLoad(6, urls, children)
	for version := 2; version <= 4; version++ {
		updates := make([]phub.Update, len(specs))
		for i := range specs {
			specs[i].Args = map[string]string{"version": fmt.Sprint(version)}
			updates[i].Spec = specs[i]
		}
		h.update(updates...)
	}
	l.end(t)
	for i := range specs {
		h.answers(specs[i].Child, "4")
		if info, err := h.client.Info(h.ctx(5*time.Second), specs[i].Child); err != nil || len(info.Replicas) != 1+i%3 || info.Spec.Change != nil {
			t.Errorf("%s after its changes: %+v, %v", specs[i].Child, info, err)
		}
	}
}

func TestUpdate_WorkersGoOn(t *testing.T) {
	t.Parallel()
	h, v := versionedHub(t, natstest.Single(t).URL(), 3)
	s := versionedSpec("c", "1", 2)
	h.start(s)
	before := v.startsOf("c")
	s.Restart.Policy, s.HandlerLimit = protocol.Transient, protocol.Duration(time.Minute)
	s.Metadata = map[string]string{"tag": "new"}
	s.Redundancy.Signal = protocol.SignalAll
	h.update(phub.Update{Spec: s})
	if n := v.startsOf("c"); n != before {
		t.Errorf("%d workers were started for what they need not know", n-before)
	}
	h.eventually("the workers are told their modes, which they want to know now", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return slices.Contains(v.told, "c active") && slices.Contains(v.told, "c passive")
	})
	s.Redundancy.Factor = 3
	h.update(phub.Update{Spec: s})
	if n := v.startsOf("c"); n != before+1 {
		t.Errorf("%d workers were started for a third replica", n-before)
	}
}

func TestUpdate_IsTakenBackIfTheNewWorkerDoesNotRun(t *testing.T) {
	t.Parallel()
	h, _ := versionedHub(t, natstest.Single(t).URL(), 3)
	for replicas := 1; replicas <= 2; replicas++ {
		child := fmt.Sprintf("c%d", replicas)
		h.start(versionedSpec(child, "1", replicas))
		results, err := h.client.Update(h.ctx(20*time.Second), []phub.Update{{Spec: versionedSpec(child, "bad", replicas)}}, nil)
		if _, ok := errors.AsType[*phub.ChildrenError](err); !ok || results[0].Error == nil || !strings.Contains(results[0].Error.Message, "version bad is broken") {
			t.Errorf("%s: results %+v, error %v; want the reason", child, results, err)
		}
		h.answers(child, "1")
		info, err := h.client.Info(h.ctx(5*time.Second), child)
		if err != nil || info.Spec.Change != nil || info.Spec.Args["version"] != "1" || !strings.Contains(info.Reason, "taken back") && replicas == 2 {
			t.Errorf("%s is not as it was: %+v, %v", child, info, err)
		}
	}
}

func TestUpdate_TheSecondOfTwoIsTold(t *testing.T) {
	t.Parallel()
	h, _ := versionedHub(t, natstest.Single(t).URL(), 2)
	h.start(versionedSpec("c", "1", 2))
	info, err := h.client.Info(h.ctx(5*time.Second), "c")
	if err != nil {
		t.Fatal(err)
	}
	first, second := info.Spec, info.Spec
	first.Metadata, second.Metadata = map[string]string{"by": "first"}, map[string]string{"by": "second"}
	h.update(phub.Update{Spec: first, Revision: info.Revision})
	results, err := h.client.Update(h.ctx(5*time.Second), []phub.Update{{Spec: second, Revision: info.Revision}}, nil)
	if err == nil || results[0].Error.Code != protocol.CodeConflict {
		t.Errorf("the second: %+v, %v; want a conflict", results, err)
	}
	if info, err = h.client.Info(h.ctx(5*time.Second), "c"); err != nil || info.Spec.Metadata["by"] != "first" {
		t.Errorf("metadata %v, %v; want that of the first", info.Spec.Metadata, err)
	}
	h.update(phub.Update{Spec: first, Revision: 1}) // it is so already: whoever asks again after a lost answer is told so
	if _, err := h.client.Update(h.ctx(5*time.Second), []phub.Update{{Spec: versionedSpec("nochild", "1", 1)}}, nil); !errors.Is(err, phub.ErrNoChild) {
		t.Errorf("update of a child that does not exist: %v", err)
	}
}
