package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/internal/natstest"
)

func TestTrial_BlamesOnlyNodesThatEndedByThemselves(t *testing.T) {
	t.Parallel()
	tr := &trial{app: quietApp(""), hub: "h", embedded: 1}
	defer func() {
		if err := tr.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := tr.open(); err != nil {
		t.Fatal(err)
	}
	if err := tr.startNodes(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("wrong")
	if err := tr.running["node2"].kill(); err != nil {
		t.Fatal(err)
	}
	<-tr.running["node2"].done
	if err := tr.wait(t.Context(), time.Millisecond); err != nil {
		t.Errorf("a node was killed here: got %v", err)
	}
	if err := tr.blame(t.Context(), wrong); err != wrong {
		t.Errorf("a node was killed here: got %v", err)
	}
	if err := tr.restart("node2"); err != nil {
		t.Fatal(err)
	}
	if err := tr.running["node3"].cmd.Process.Kill(); err != nil { // as the kernel does when memory is short
		t.Fatal(err)
	}
	<-tr.running["node3"].done
	err := tr.settle(t.Context(), 3)
	if err == nil || !strings.Contains(err.Error(), "node3 ended by itself") {
		t.Errorf("node3 is dead: got %v", err)
	}
	if err := tr.blame(t.Context(), wrong); !errors.Is(err, wrong) || !strings.Contains(err.Error(), "node3 ended: signal: killed") {
		t.Errorf("node3 is dead: got %v", err)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.blame(interrupted, wrong); err != wrong {
		t.Errorf("interrupted: got %v", err)
	}
	if err := tr.blame(interrupted, fmt.Errorf("ask: %w", context.Canceled)); err == nil || err.Error() != "interrupted" {
		t.Errorf("interrupted in a request: got %v", err)
	}
}

// quietApp is a command line that names a NATS server and prints for nobody.
func quietApp(server string) *app {
	return &app{stdio: stdio{strings.NewReader(""), &safeBuffer{}, &safeBuffer{}}, conn: connection{server: server, noContext: true}}
}

func TestBenchFailover_Interrupted(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{faultKill, faultHang} {
		url := natstest.Single(t).URL()
		b := &bench{trial: trial{app: quietApp(url)}, fault: fault, children: 1, nodes: 3, runs: 100}
		ctx, cancel := context.WithCancel(t.Context())
		b.started = func(p *nodeProcess) { // the first strike is about a second away
			if p.name == "node3" {
				time.AfterFunc(1500*time.Millisecond, cancel)
			}
		}
		if err := b.run(ctx); err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("%s: got %v", fault, err)
		}
		cancel()
		for name, p := range b.running {
			select {
			case <-p.done:
			default:
				t.Errorf("%s: %s (process %d) lives on", fault, name, p.pid())
			}
		}
		js, err := jetstream.New(natstest.Connect(t, url))
		if err != nil {
			t.Fatal(err)
		}
		for name := range js.StreamNames(t.Context()).Name() {
			t.Errorf("%s: the stream %s was left behind", fault, name)
		}
	}
}

func TestTrial_NodesTakeTurnsOnServers(t *testing.T) {
	t.Parallel()
	tr := &trial{app: quietApp(""), hub: "h"}
	if got := tr.server(0); got != "" {
		t.Errorf("without servers of its own: got %q", got)
	}
	tr.embedded = 3
	defer func() {
		if err := tr.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := tr.open(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 2, 0} {
		if got := tr.server(i); got != tr.servers.Servers[want].URL() {
			t.Errorf("node%d: got %s, want the address of server %d", i+1, got, want+1)
		}
	}
	if got := fmt.Sprint(tr.ended()); got != "[]" {
		t.Errorf("nothing was started: got %s", got)
	}
}
