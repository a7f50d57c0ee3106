package phub

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// Change is one thing that happened in a hub. Exactly one of the pointers is set.
type Change struct {
	Time      time.Time     `json:"time"` // when it arrived at this client
	Mode      *ModeMessage  `json:"mode,omitempty"`
	Event     *Event        `json:"event,omitempty"`
	View      *View         `json:"view,omitempty"`
	Placement *PlacementSet `json:"placement,omitempty"`
}

// PlacementSet is a placement that was stored or removed.
type PlacementSet struct {
	Child    string `json:"child"`
	Entry    *Entry `json:"entry,omitempty"` // nil if it was removed
	Revision uint64 `json:"revision,omitempty"`
}

// watchBuffer is how many messages may wait for whoever takes them.
const watchBuffer = 1 << 16

// Watch returns the live stream of modes, events, views and placements of the hub, until ctx ends. When
// it returns, the server has registered the subscriptions: the stream has everything that happens after
// that; it fails with ErrDenied if the NATS user may not subscribe. A message that can't be decoded comes as an error, and so does a gap (ErrDropped): messages that were lost because
// the caller was too slow, or while the connection to NATS was interrupted. The stream goes on after them. It may be
// ranged over once. Don't rely on it for correctness: these are core NATS messages, for people and for programs that look
// on.
func (c *Client) Watch(ctx context.Context) (iter.Seq2[Change, error], error) {
	w := &watch{client: c, msgs: make(chan *nats.Msg, watchBuffer), status: c.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING)}
	if err := w.subscribe(ctx); err != nil {
		w.unsubscribe()
		return nil, fmt.Errorf("watch hub %s: %w", c.hub, err)
	}
	context.AfterFunc(ctx, w.unsubscribe)
	return func(yield func(Change, error) bool) {
		defer w.unsubscribe()
		w.run(ctx, yield)
	}, nil
}

type watch struct {
	client  *Client
	msgs    chan *nats.Msg
	status  chan nats.Status
	subs    []*nats.Subscription
	dropped int
	away    time.Time // since when there is no connection; zero if there is one
}

func (w *watch) subscribe(ctx context.Context) error {
	before := w.client.nc.LastError()
	filters := append(w.client.subjects.Watch(), w.client.subjects.Stored(protocol.PlacementBucket, ">"))
	for _, subject := range filters {
		sub, err := w.client.nc.ChanSubscribe(subject, w.msgs)
		if err != nil {
			return err
		}
		w.subs = append(w.subs, sub)
	}
	ctx, cancel := withTimeout(ctx, defaultRequestTimeout)
	defer cancel()
	if err := w.client.nc.FlushWithContext(ctx); err != nil {
		return err
	}
	return w.client.denials.subscribed(before, filters)
}

// unsubscribe may be called repeatedly; errors say that it was, or that the connection is closed.
func (w *watch) unsubscribe() {
	for _, sub := range w.subs {
		_ = sub.Unsubscribe()
	}
	w.client.nc.RemoveStatusListener(w.status)
}

func (w *watch) run(ctx context.Context, yield func(Change, error) bool) {
	for {
		select {
		case <-ctx.Done():
			return
		case status := <-w.status:
			if err := w.interrupted(status); err != nil && !yield(Change{}, err) {
				return
			}
		case msg := <-w.msgs:
			if n := w.lost(); n > 0 && !yield(Change{}, fmt.Errorf("%w: %d messages lost", ErrDropped, n)) {
				return
			}
			change, err := w.client.decode(msg)
			if (err != nil || !change.empty()) && !yield(change, err) {
				return
			}
		}
	}
}

// interrupted takes a change of the connection, and returns the gap when there is one again after an interruption. The
// client library subscribes before it says so.
func (w *watch) interrupted(status nats.Status) error {
	switch {
	case status == nats.RECONNECTING && w.away.IsZero():
		w.away = time.Now()
	case status == nats.CONNECTED && !w.away.IsZero():
		from := w.away
		w.away = time.Time{}
		return fmt.Errorf("%w: no connection to NATS from %s, for %v", ErrDropped, from.Format("15:04:05.000"), time.Since(from).Round(time.Millisecond))
	}
	return nil
}

// lost returns how many messages have been dropped since it was called last.
func (w *watch) lost() int {
	total := 0
	for _, sub := range w.subs {
		n, _ := sub.Dropped() // an error says that it is unsubscribed
		total += n
	}
	n := total - w.dropped
	w.dropped = max(total, w.dropped)
	return n
}

func (c *Change) empty() bool {
	return c.Mode == nil && c.Event == nil && c.View == nil && c.Placement == nil
}

// decode reads one message. Keys that are phub's own and no view give an empty change.
func (c *Client) decode(msg *nats.Msg) (Change, error) {
	change := Change{Time: time.Now().UTC()}
	rest, _ := strings.CutPrefix(msg.Subject, "phub."+c.hub+".")
	var err error
	switch {
	case strings.HasPrefix(rest, "mode."):
		err = json.Unmarshal(msg.Data, &change.Mode)
	case strings.HasPrefix(rest, "event."):
		err = json.Unmarshal(msg.Data, &change.Event)
	default:
		key, _ := strings.CutPrefix(rest, "int.kv."+string(protocol.PlacementBucket)+".")
		err = change.stored(key, msg)
	}
	if err != nil {
		return Change{}, fmt.Errorf("decode message on %s: %w", msg.Subject, err)
	}
	return change, nil
}

// stored reads what the placement bucket stored under key.
func (c *Change) stored(key string, msg *nats.Msg) error {
	deleted := msg.Header.Get("KV-Operation") != "" || msg.Header.Get("Nats-Marker-Reason") != ""
	switch {
	case key == protocol.ViewKey && !deleted:
		return json.Unmarshal(msg.Data, &c.View)
	case strings.HasPrefix(key, "_"):
		return nil
	}
	revision, _ := strconv.ParseUint(msg.Header.Get("Nats-Sequence"), 10, 64) // 0: not said
	set := &PlacementSet{Child: key, Revision: revision}
	if !deleted {
		if err := json.Unmarshal(msg.Data, &set.Entry); err != nil {
			return err
		}
	}
	c.Placement = set
	return nil
}
