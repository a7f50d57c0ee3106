package jetstream

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// everywhere tries connections at the server that was reached and at all others that it tells its clients of, as they may be
// configured differently. What is found is the worst of it.
func (x *examiner) everywhere(ctx context.Context) {
	all := append([]*examiner{x}, x.others(ctx)...)
	var wg sync.WaitGroup
	for _, o := range all {
		x.Tried = append(x.Tried, o.s.nc.ConnectedServerName())
		wg.Go(func() { o.try(ctx) })
	}
	wg.Wait()
	for _, o := range all[1:] {
		o.s.Close()
		if x.Open == nil {
			x.Open = o.Open
		}
	}
	x.Closed = worst(all, func(e *Examination) Finding { return e.Closed }, x.Tried)
	x.Reported = worst(all, func(e *Examination) Finding { return e.Reported }, x.Tried)
	x.Kicked = worst(all, func(e *Examination) Finding { return e.Kicked }, x.Tried)
	x.Patience = worst(all, func(e *Examination) Finding { return e.Patience }, x.Tried)
}

// others returns examiners that are connected to other servers, one for each that can be reached.
func (x *examiner) others(ctx context.Context) []*examiner {
	urls := x.known()
	all := make([]*examiner, len(urls))
	var wg sync.WaitGroup
	for i, u := range urls {
		wg.Go(func() {
			o := &examiner{hub: x.hub, dial: only(x.dial, sameUser(u, x.s.server))}
			var err error
			if o.s, err = o.spare(ctx, "watch"); err == nil {
				all[i] = o
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{x.s.conn.Server: true}
	var others []*examiner
	for _, o := range all {
		switch {
		case o == nil:
		case seen[o.s.conn.Server]: // a server may have several addresses
			o.s.Close()
		default:
			seen[o.s.conn.Server] = true
			others = append(others, o)
		}
	}
	return others
}

// known returns the addresses of the servers of which this one tells. One that has just started learns of others in time.
func (x *examiner) known() []string {
	for end := time.Now().Add(examineMost); ; time.Sleep(10 * time.Millisecond) {
		if urls := x.s.nc.Servers(); len(urls) >= x.Servers || time.Now().After(end) {
			return urls
		}
	}
}

// only returns a dial that connects to one server.
func only(dial func(...nats.Option) (*nats.Conn, error), server string) func(...nats.Option) (*nats.Conn, error) {
	return func(opts ...nats.Option) (*nats.Conn, error) {
		return dial(append([]nats.Option{func(o *nats.Options) error {
			o.Url, o.Servers = "", []string{server}
			return nil
		}}, opts...)...)
	}
}

// sameUser returns a server's URL with the user that another one has.
func sameUser(server, as string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	if from, err := url.Parse(as); err == nil {
		u.User = from.User
	}
	return u.String()
}

// worst returns the worst of what was found at some servers.
func worst(all []*examiner, of func(*Examination) Finding, servers []string) Finding {
	var w Finding
	var at []string
	for i, x := range all {
		f := of(&x.Examination)
		if f.Err != nil {
			at = append(at, servers[i])
		}
		if b, c := badness(f.Err), badness(w.Err); b > c || b == c && f.After > w.After {
			w = f
		}
	}
	if len(at) < len(all) {
		w.At = at
	}
	return w
}

func badness(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrGivenUp):
		return 2
	}
	return 1
}
