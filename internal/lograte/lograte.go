// Package lograte bounds what is written to a log: somebody else decides how often what a log line tells of happens,
// and how long the texts in it are.
package lograte

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/phub-io/phub/protocol"
)

// Limits says how much a Handler lets pass, for each place in the code that logs.
type Limits struct {
	PerSecond int  // records, or bytes of their texts
	Burst     int  // how much may come at once
	Bytes     bool // PerSecond and Burst are bytes
	MaxText   int  // of one text in a record, in bytes: a longer one is cut
}

// Node is what a node lets pass of what it has to say itself.
var Node = Limits{PerSecond: 10, Burst: 200, MaxText: 8 << 10}

// tellAfter is how long lines are counted that were left out, before one line says how many there were.
const tellAfter = 10 * time.Second

// Handler passes records on, up to its limits. What it leaves out is counted, and said in one line every 10 s.
type Handler struct {
	next slog.Handler
	*state
}

// state is what a Handler shares with those that are made of it.
type state struct {
	limits Limits
	count  func(lines uint64)

	mu     sync.Mutex
	sites  map[any]*site
	closed bool
}

// site is one place in the code that logs, or one key.
type site struct {
	limit *rate.Limiter
	left  uint64 // lines left out, of which nothing has been said
	tell  *time.Timer
	say   func(left uint64)
}

// New returns a handler in front of next. count is called with the number of lines that are left out; it may be nil.
// Close must be called at the end.
func New(next slog.Handler, l Limits, count func(lines uint64)) *Handler {
	if count == nil {
		count = func(uint64) {}
	}
	return &Handler{next, &state{limits: l, count: count, sites: map[any]*site{}}}
}

type keyOf struct{}

// WithKey returns a context with which records of one place in the code are told apart by key. There must be few keys.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOf{}, key)
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.next.WithAttrs(attrs), h.state}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.next.WithGroup(name), h.state}
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	short, size := h.shorten(r)
	var key any = r.PC
	if k, ok := ctx.Value(keyOf{}).(string); ok {
		key = k
	}
	if !h.take(key, size, short) {
		h.count(1)
		return nil
	}
	return h.next.Handle(ctx, short)
}

// take reports whether a record passes.
func (h *Handler) take(key any, size int, r slog.Record) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sites[key]
	if s == nil {
		s = &site{limit: rate.NewLimiter(rate.Limit(h.limits.PerSecond), h.limits.Burst)}
		h.sites[key] = s
	}
	cost := 1
	if h.limits.Bytes {
		cost = min(size, h.limits.Burst)
	}
	if h.closed || s.limit.AllowN(time.Now(), cost) {
		return true
	}
	if s.left++; s.left > 1 {
		return false
	}
	s.say = func(left uint64) { h.say(r.Message, left) }
	s.tell = time.AfterFunc(tellAfter, func() { h.tell(s) })
	return false
}

func (h *Handler) say(message string, left uint64) {
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were left out: there were too many", 0)
	r.AddAttrs(slog.String("like", message), slog.Uint64("lines", left))
	_ = h.next.Handle(context.Background(), r) // a log that can't be written is no reason to stop
}

// tell says how many lines of a place were left out.
func (s *state) tell(x *site) {
	s.mu.Lock()
	left, say := x.left, x.say
	x.left = 0
	s.mu.Unlock()
	if left > 0 {
		say(left)
	}
}

// Close says what has not been said yet of what was left out. What is logged later passes.
func (h *Handler) Close() {
	h.mu.Lock()
	h.closed = true
	sites := make([]*site, 0, len(h.sites))
	for _, s := range h.sites {
		if s.tell != nil {
			s.tell.Stop()
		}
		sites = append(sites, s)
	}
	h.mu.Unlock()
	for _, s := range sites {
		h.tell(s)
	}
}

// shorten returns the record with its texts cut, and without what would control a terminal; and the size of its texts.
func (h *Handler) shorten(r slog.Record) (slog.Record, int) {
	out := slog.NewRecord(r.Time, r.Level, h.text(r.Message), r.PC)
	size := len(out.Message)
	r.Attrs(func(a slog.Attr) bool {
		a.Value = h.value(a.Value)
		if a.Value.Kind() == slog.KindString {
			size += len(a.Key) + len(a.Value.String())
		}
		out.AddAttrs(a)
		return true
	})
	return out, size
}

func (h *Handler) value(v slog.Value) slog.Value {
	v = v.Resolve()
	switch x := v.Any().(type) {
	case string:
		return slog.StringValue(h.text(x))
	case error:
		return slog.StringValue(h.text(x.Error()))
	}
	return v
}

func (h *Handler) text(s string) string {
	return protocol.PrintableLines(protocol.Cut(s, h.limits.MaxText))
}
