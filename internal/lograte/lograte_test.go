package lograte_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/internal/lograte"
)

// output is read by a test while a timer of the handler may write.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// setup returns a logger with limits, what it wrote, and how many lines it left out.
func setup(l lograte.Limits) (*slog.Logger, *output, *uint64, func()) {
	out, left := &output{}, new(uint64)
	h := lograte.New(slog.NewTextHandler(out, nil), l, func(n uint64) { *left += n })
	return slog.New(h), out, left, h.Close
}

func TestHandler_LinesAtOnceAndPerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, out, left, closed := setup(lograte.Limits{PerSecond: 10, Burst: 20, MaxText: 100})
		defer closed()
		for second, want := range []int{20, 30} {
			for i := range 1000 {
				log.With("a", 1).Info("flood", "i", i)
			}
			log.Info("of another place")
			if got := strings.Count(out.String(), "msg=flood"); got != want || *left != uint64(1000*(second+1)-want) {
				t.Errorf("second %d: got %d lines, %d left out:\n%s", second, got, *left, out)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if got := strings.Count(out.String(), "of another place"); got != 2 {
			t.Errorf("got %d lines of the other place, want 2", got)
		}
		if want := `msg="log lines were left out: there were too many" a=1 like=flood lines=1970`; strings.Count(out.String(), "left out") != 1 || !strings.Contains(out.String(), want) {
			t.Errorf("found no %q in:\n%s", want, out)
		}
	})
}

func TestHandler_Bytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, out, left, closed := setup(lograte.Limits{PerSecond: 1000, Burst: 10_000, Bytes: true, MaxText: 1000})
		for range 2000 {
			log.Info("x", "line", strings.Repeat("y", 100_000))
		}
		if got := len(out.String()); got > 12_000 || *left < 1980 {
			t.Errorf("got %d bytes, %d lines left out", got, *left)
		}
		if strings.Contains(out.String(), "left out") {
			t.Errorf("it was said at once:\n%s", out)
		}
		closed()
		if want := fmt.Sprintf("lines=%d", *left); !strings.Contains(out.String(), want) {
			t.Errorf("found no %q in:\n%s", want, out)
		}
		log.Info("x", "line", strings.Repeat("z", 100_000))
		if !strings.Contains(out.String(), "zzz") {
			t.Error("nothing is logged any more after the end")
		}
	})
}

func TestHandler_Keys(t *testing.T) {
	t.Parallel()
	log, out, left, closed := setup(lograte.Limits{PerSecond: 1, Burst: 1, MaxText: 100})
	defer closed()
	for range 3 {
		for _, key := range []string{"a", "b"} {
			log.InfoContext(lograte.WithKey(context.Background(), key), "of one place", "key", key)
		}
	}
	if got := strings.Count(out.String(), "of one place"); got != 2 || *left != 4 {
		t.Errorf("got %d lines, %d left out:\n%s", got, *left, out)
	}
}

func TestHandler_Texts(t *testing.T) {
	t.Parallel()
	out := &bytes.Buffer{}
	h := lograte.New(slog.NewJSONHandler(out, nil), lograte.Limits{PerSecond: 1, Burst: 10, MaxText: 100}, nil)
	defer h.Close()
	log := slog.New(h)
	log.Info("m", "error", errors.New("\u009b2J\u202e"+strings.Repeat("e", 2<<20)), "text", "a\nb\tc\x7f", "n", 1, "d", time.Second)
	for _, want := range []string{`"error":"\\u009b2J\\u202eee`, "(2097159 bytes)", `"text":"a\nb\tc\\x7f"`, `"n":1`, `"d":1000000000`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("found no %q in %s", want, out)
		}
	}
	if out.Len() > 400 {
		t.Errorf("got %d bytes", out.Len())
	}
}
