package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub"
)

// health says over HTTP whether this process and its node are well: for Kubernetes, and whoever else asks so.
type health struct {
	node atomic.Pointer[phub.Node] // nil until it has joined
}

// ready returns nil if the node is.
func (h *health) ready() error {
	if n := h.node.Load(); n != nil {
		return n.Ready()
	}
	return fmt.Errorf("%w: it has not joined the hub yet", phub.ErrNotReady)
}

func (h *health) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answerHealth(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answerHealth(w, h.ready()) })
	return mux
}

func answerHealth(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = plain(err)
	}
	_, _ = io.WriteString(w, text+"\n") // who asked may be gone
}

// healthTimeout bounds one question: anybody who reaches the port may begin one and not end it.
const healthTimeout = 5 * time.Second

// runWithHealth runs the node while health is served, from before it joins until it has left.
func (c *nodeRun) runWithHealth(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.http)
	if err != nil {
		return usagef("--http: found %q, want an address to listen at, such as :8080: %v", c.http, err)
	}
	var h health
	server := &http.Server{Handler: h.handler(), ReadTimeout: healthTimeout, WriteTimeout: healthTimeout, IdleTimeout: healthTimeout, MaxHeaderBytes: 8 << 10}
	served := make(chan struct{})
	go func() { // ends when the server is closed
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.options.Logger.Error("serve health", "address", c.http, "error", err)
		}
	}()
	defer func() {
		_ = server.Close() // nothing is lost with a question
		<-served
	}()
	c.options.Logger.Info("serving /livez and /readyz", "address", listener.Addr().String())
	node, err := phub.Join(ctx, c.options)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return nil // as phub.Run
	case err != nil:
		return err
	}
	h.node.Store(node)
	return node.Stay(ctx)
}
