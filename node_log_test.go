package phub_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
)

// logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestNode_ItsLogIsBounded has many replicas fail at once: that each of them did is no line of its own.
func TestNode_ItsLogIsBounded(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	log := &logBuffer{}
	o := h.options("n1")
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	n, err := phub.Join(h.ctx(20*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	const children = 1000
	specs := make([]phub.Spec, children)
	for i := range specs {
		specs[i] = phub.Spec{Child: fmt.Sprintf("c%d", i), Kind: "broken", Restart: phub.Restart{Policy: phub.Temporary}}
	}
	h.start(specs...)
	refused, told := uint64(0), uint64(0)
	h.eventually("each line is in the log or counted in the status", func() bool {
		st, err := h.client.Status(h.ctx(time.Second))
		refused, told = st.Refused["log"].Total, uint64(strings.Count(log.String(), "a replica did not start"))
		return err == nil && refused+told >= children
	})
	if told > children/2 {
		t.Errorf("%d lines were logged and %d left out", told, refused)
	}
	if err := n.Leave(h.ctx(20 * time.Second)); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "lines were left out") {
		t.Errorf("nobody said that lines were left out:\n%.2000s", log)
	}
}
