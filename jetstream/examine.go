package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// Examination is what a NATS deployment was found to give a hub. What was tried was tried with connections
// opened for it; nothing of the hub was touched.
type Examination struct {
	Server    string           // the name of the server that answered
	Version   string           // its version
	Cluster   string           // the name of its cluster; "" if there is none
	Servers   int              // how many answer for the account
	Tried     []string         // the names of the servers with which all below but the buckets was tried
	RoundTrip time.Duration    // to that server, the median of some
	Dial      time.Duration    // until a new connection was there
	JetStream error            // what is wrong with JetStream; nil if it is as phub needs it
	Storage   []StorageFinding // what the account stores, by tier; none if it was not told
	Buckets   []BucketFinding  // of the hub; none if there is none of its buckets
	Open      error            // nil if a server said that an open connection is open
	Closed    Finding          // that a closed connection is closed, after it was closed
	Reported  Finding          // that a closing was reported, after it
	Kicked    Finding          // that a connection was closed on demand, after that was asked for
	Patience  Finding          // that a client which answered no pings was still connected after protocol.Contact
}

// Finding is something that was tried: after how long it came, or why it didn't. Of several servers it is the worst.
type Finding struct {
	After time.Duration
	Err   error
	At    []string // the servers with which Err came, if it did not come with others
}

// BucketFinding is a bucket of the hub.
type BucketFinding struct {
	Bucket   string
	Replicas int      // as configured
	Kept     int      // servers that keep it, current or not: fewer than Replicas after one was taken away from it
	Leader   string   // "" if there is none
	Behind   []string // servers that are offline, or behind the leader
	Err      error    // what is wrong with it
}

// ErrNoAccess is a Finding's error where the hub's account lacks an import from the system account.
var ErrNoAccess = errors.New("nobody takes the order: the account does not import it from the system account")

// ErrGivenUp is a Finding's error where a server gave up a client too soon.
var ErrGivenUp = errors.New("found that a server gives up a client too soon")

const (
	examineHub  = "_doctor" // no hub's name begins so: nodes overlook these connections
	examineWait = time.Second
	examineMost = 250 * time.Millisecond // between two servers' answers, or until a server knows the others
)

// Examine finds out what the servers that dial reaches give to a hub. The error says that none was
// reached.
func Examine(ctx context.Context, hub, domain string, dial func(...nats.Option) (*nats.Conn, error)) (*Examination, error) {
	x := examiner{hub: hub, domain: domain, dial: dial}
	began := time.Now()
	var err error
	if x.s, err = x.spare(ctx, "watch"); err != nil {
		return nil, err
	}
	defer x.s.Close()
	x.Dial = time.Since(began)
	x.dial = only(dial, x.s.server)
	x.server(ctx)
	if x.JetStream = x.s.allowed(ctx, x.s.checkServer); x.JetStream == nil {
		x.storage(ctx)
		x.buckets(ctx)
	}
	x.everywhere(ctx)
	return &x.Examination, nil
}

// try tries what one server does.
func (x *examiner) try(ctx context.Context) {
	x.evidence(ctx)
	x.kick(ctx)
	if x.Patience.Err = errors.Join(x.Open, x.Closed.Err); x.Patience.Err == nil {
		x.pings(ctx)
	}
}

type examiner struct {
	Examination
	hub, domain string
	dial        func(...nats.Option) (*nats.Conn, error)
	s           *Session
}

// spare opens a connection that is no node's.
func (x *examiner) spare(ctx context.Context, name string) (*Session, error) {
	s := newSession(Config{Hub: examineHub, Node: name, Domain: x.domain, Dial: x.dial, Logger: slog.New(slog.DiscardHandler)})
	nc, err := x.dial(ownInboxes(x.hub), s.options(ctx))
	if err != nil {
		s.stop()
		return nil, dialError(err)
	}
	if err := s.use(nc); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (x *examiner) server(ctx context.Context) {
	nc := x.s.nc
	x.Server, x.Version, x.Cluster = nc.ConnectedServerName(), nc.ConnectedServerVersion(), nc.ConnectedClusterName()
	var trips []time.Duration
	for range 5 {
		if d, err := nc.RTT(); err == nil {
			trips = append(trips, d)
		}
	}
	if slices.Sort(trips); len(trips) > 0 {
		x.RoundTrip = trips[len(trips)/2]
	}
	x.Servers = x.countServers(ctx)
}

// countServers counts who answers a question to all servers, until no more do for a while.
func (x *examiner) countServers(ctx context.Context) int {
	inbox := x.s.nc.NewInbox()
	sub, err := x.s.nc.SubscribeSync(inbox)
	if err != nil || x.s.nc.PublishRequest(connectionsSubject, inbox, []byte(`{"cid":1,"state":0}`)) != nil {
		return 0
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only on a closed connection
	servers := map[string]bool{}
	for {
		wait, cancel := context.WithTimeout(ctx, examineMost)
		m, err := sub.NextMsgWithContext(wait)
		cancel()
		if err != nil {
			return len(servers)
		}
		var a connections
		if json.Unmarshal(m.Data, &a) == nil && a.Server.ID != "" {
			servers[a.Server.ID] = true
		}
	}
}

func (x *examiner) buckets(ctx context.Context) {
	h := newSession(Config{Hub: x.hub, Domain: x.domain})
	defer h.stop()
	h.nc = x.s.nc
	missing := 0
	for _, b := range buckets {
		f := BucketFinding{Bucket: b.Name(x.hub)}
		var info *jetstream.StreamInfo
		err := x.s.allowed(ctx, func(ctx context.Context) (err error) {
			info, err = h.streamInfo(ctx, b)
			return err
		})
		if f.Err = h.bucketError("look at", b, err); err == nil {
			f.Replicas, f.Err = info.Config.Replicas, h.checkBucket(b, &info.Config)
			f.Leader, f.Kept = x.Server, 1
			if c := info.Cluster; c != nil {
				f.Leader = c.Leader
				f.Kept += len(c.Replicas)
				for _, r := range c.Replicas {
					if r.Offline || !r.Current {
						f.Behind = append(f.Behind, r.Name)
					}
				}
			}
		} else if codeOf(err) == codeStreamNotFound {
			missing++
		}
		x.Buckets = append(x.Buckets, f)
	}
	if missing == len(buckets) {
		x.Buckets = nil
	}
}

// evidence opens a connection, closes it, and looks who says so.
func (x *examiner) evidence(ctx context.Context) {
	x.Closed.Err, x.Reported.Err = errors.New("not tried"), errors.New("not tried")
	reports := make(chan *nats.Msg, 1024)
	sub, err := x.s.nc.ChanSubscribe(protocol.DisconnectSubject, reports)
	if err != nil {
		x.Open = err
		return
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only on a closed connection
	t, err := x.spare(ctx, "spare")
	if err != nil {
		x.Open = err
		return
	}
	defer t.Close()
	if x.Open = x.s.flush(ctx); x.Open != nil {
		return
	}
	if x.Open = x.expect(ctx, t.conn, view.Open); x.Open != nil {
		return
	}
	began := time.Now()
	t.nc.Close()
	x.Closed = Finding{Err: x.expect(ctx, t.conn, view.Closed)}
	x.Closed.After = time.Since(began)
	x.Reported = reported(ctx, t.conn, reports, began)
}

// expect asks for a connection until its server says what is expected, or a while is over.
func (x *examiner) expect(ctx context.Context, c protocol.Conn, want view.Evidence) error {
	ctx, cancel := context.WithTimeout(ctx, examineWait)
	defer cancel()
	return x.s.allowed(ctx, func(ctx context.Context) error { return x.await(ctx, c, want) })
}

func (x *examiner) await(ctx context.Context, c protocol.Conn, want view.Evidence) error {
	for {
		got, err := x.s.Connected(ctx, c)
		switch {
		case err != nil:
			return err
		case got == want:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("its server did not say within %v that the connection is %s", examineWait, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func reported(ctx context.Context, c protocol.Conn, reports <-chan *nats.Msg, began time.Time) Finding {
	ctx, cancel := context.WithTimeout(ctx, examineWait)
	defer cancel()
	for {
		select {
		case m := <-reports:
			if got, ok := reportedConn(examineHub, m.Data); ok && got == c {
				return Finding{After: time.Since(began)}
			}
		case <-ctx.Done():
			return Finding{Err: fmt.Errorf("nothing came on %s within %v", protocol.DisconnectSubject, examineWait)}
		}
	}
}

// kick has a connection of its own closed.
func (x *examiner) kick(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, examineWait)
	defer cancel()
	t, err := x.spare(ctx, "kicked")
	if err != nil {
		x.Kicked.Err = err
		return
	}
	defer t.Close()
	began := time.Now()
	err = x.s.allowed(ctx, func(ctx context.Context) error { return x.s.Kick(ctx, "kicked", t.conn) })
	switch {
	case errors.Is(err, coordinator.ErrNoResponders):
		x.Kicked.Err = ErrNoAccess
		return
	case err != nil:
		x.Kicked.Err = err
		return
	}
	select {
	case <-t.done:
		x.Kicked.After = time.Since(began)
	case <-ctx.Done():
		x.Kicked.Err = fmt.Errorf("the server took the order, and the connection was still open %v later", examineWait)
	}
}
