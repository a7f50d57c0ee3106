package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
)

// recorder is a worker that logs when it begins and ends to handle a request. The request's payload
// is its id, and the reply's too.
type recorder struct {
	log     io.Writer // each Write is one line, appended whole
	only    string    // begins the ids of what is logged
	busy    time.Duration
	node    string
	replica string
}

var replicas atomic.Int64

func newRecorder(r phub.Replica, log io.Writer, only string, busy time.Duration) *recorder {
	return &recorder{
		log: log, only: only, busy: busy, node: r.Node,
		replica: fmt.Sprintf("%s/%d/%d", r.Node, os.Getpid(), replicas.Add(1)),
	}
}

// Handle logs the start, works, logs the end, and answers with the request's payload.
func (w *recorder) Handle(ctx context.Context, m *phub.Message) ([]byte, error) {
	if err := w.write(history.Start, m); err != nil {
		return nil, err
	}
	if w.busy > 0 {
		timer := time.NewTimer(w.busy)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	if err := w.write(history.End, m); err != nil {
		return nil, err
	}
	return m.Data, nil
}

func (w *recorder) write(p history.Phase, m *phub.Message) error {
	if !bytes.HasPrefix(m.Data, []byte(w.only)) {
		return nil
	}
	line, err := json.Marshal(history.Line{
		At: clock.Now(), Phase: p, ID: string(m.Data), Child: m.Child, Node: w.node,
		Replica: w.replica, Epoch: m.Epoch, PID: os.Getpid(),
	})
	if err != nil {
		return err
	}
	_, err = w.log.Write(append(line, '\n'))
	return err
}
