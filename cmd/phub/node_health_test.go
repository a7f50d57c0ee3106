package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/internal/natstest"
)

// get returns the status and the text of an answer.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// becomes waits until a page has a status and text.
func becomes(t *testing.T, url string, status int, text string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		code, page := get(t, url)
		if got = fmt.Sprintf("%d %s", code, page); code == status && strings.Contains(page, text) {
			return
		}
	}
	t.Fatalf("%s: got %s, want %d with %q", url, got, status, text)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A node says over HTTP that it lives, from before it reaches NATS; and that it is ready, once all that is placed on it runs.
func TestNodeRun_Health(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	addr := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	env := map[string]string{"NATS_URL": srv.URL(), "PHUB_HUB": "h"}
	go func() { ended <- phubRunWith(ctx, env, "", "node", "run", "--name", "n1", "--http", addr) }()
	becomes(t, "http://"+addr+"/livez", 200, "ok")
	becomes(t, "http://"+addr+"/readyz", 200, "ok")
	phubRun(t, env, "", "child", "start", "c1", "--kind", "echo").want(t, exitDone, "c1  n1 active", "")
	becomes(t, "http://"+addr+"/readyz", 200, "ok")
	if code, _ := get(t, "http://"+addr+"/other"); code != 404 {
		t.Errorf("another page: %d, want 404", code)
	}
	phubRun(t, env, "", "node", "run", "--name", "n2", "--http", addr).want(t, exitUsage, "", "--http: found")
	stop()
	if r := <-ended; r.code != exitDone {
		t.Errorf("it ended with %+v", r)
	}
	if code, text := get(t, "http://"+addr+"/livez"); code != 0 {
		t.Errorf("after its end: %d %s", code, text)
	}
}

func TestHealth_BeforeTheNodeHasJoined(t *testing.T) {
	t.Parallel()
	var h health
	server := http.Server{Handler: h.handler(), ReadHeaderTimeout: time.Second}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	becomes(t, "http://"+l.Addr().String()+"/readyz", 503, "not ready: it has not joined the hub yet")
	becomes(t, "http://"+l.Addr().String()+"/livez", 200, "ok")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
