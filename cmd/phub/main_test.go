package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// TestMain lets the test binary stand in for phub when the demo starts nodes as processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && (os.Args[1] == "node" && os.Args[2] == "run" || os.Args[1] == "bench" && os.Args[2] == "responder") {
		main()
	}
	os.Exit(m.Run())
}

// result is what one command line did.
type result struct {
	code     int
	out, err string
}

// phubRun carries out one command line in this process, with an environment of its own.
func phubRun(t *testing.T, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return phubRunWith(ctx, env, stdin, args...)
}

// phubRunWith is phubRun until ctx ends.
func phubRunWith(ctx context.Context, env map[string]string, stdin string, args ...string) result {
	var out, errOut safeBuffer
	code := run(ctx, args, stdio{strings.NewReader(stdin), &out, &errOut}, func(k string) string { return env[k] })
	return result{code, out.String(), errOut.String()}
}

// safeBuffer may be written to and read concurrently.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// fakeHub answers control requests with what a test put in.
type fakeHub struct {
	t        *testing.T
	url      string
	nc       *nats.Conn
	subjects protocol.Subjects
}

func newFakeHub(t *testing.T) *fakeHub {
	t.Helper()
	url := natstest.Single(t).URL()
	return &fakeHub{t: t, url: url, nc: natstest.Connect(t, url), subjects: protocol.SubjectsOf("h")}
}

// run carries out one command line against the hub.
func (f *fakeHub) run(args ...string) result {
	f.t.Helper()
	return phubRun(f.t, map[string]string{"NATS_URL": f.url, "PHUB_HUB": "h"}, "", args...)
}

// serve answers a subject by a function from the request's data.
func (f *fakeHub) serve(subject string, answer func(msg *nats.Msg) any) {
	f.t.Helper()
	_, err := f.nc.Subscribe(subject, func(msg *nats.Msg) {
		switch v := answer(msg).(type) {
		case nil:
		case *nats.Msg:
			if v.Header == nil {
				v.Header = nats.Header{}
			}
			if v.Header.Get(protocol.HeaderNode) == "" {
				v.Header.Set(protocol.HeaderNode, "node9")
			}
			f.check(msg.RespondMsg(v))
		default:
			data, err := json.Marshal(v)
			f.check(err)
			f.check(msg.RespondMsg(&nats.Msg{Header: nats.Header{protocol.HeaderNode: {"node9"}}, Data: data}))
		}
	})
	f.check(err)
	f.check(f.nc.Flush())
}

func (f *fakeHub) control(verb string, answer any) {
	f.t.Helper()
	f.serve(f.subjects.Control(verb), func(*nats.Msg) any { return answer })
}

func (f *fakeHub) check(err error) {
	if err != nil {
		f.t.Error(err)
	}
}

// want fails the test if a result is not as expected.
func (r result) want(t *testing.T, code int, inOut, inErr string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.out, inOut) || !strings.Contains(r.err, inErr) {
		t.Errorf("got exit code %d, want %d; stdout %q should have %q, stderr %q should have %q", r.code, code, r.out, inOut, r.err, inErr)
	}
}

// wantExactly fails the test if anything else was printed.
func (r result) wantExactly(t *testing.T, code int, out, err string) {
	t.Helper()
	if want := (result{code, out, err}); r != want {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
}

// decode reads a result's JSON.
func decode[T any](t *testing.T, r result) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatalf("decode %q (stderr %q): %v", r.out, r.err, err)
	}
	return v
}
