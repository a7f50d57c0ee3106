package phub

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/jetstream"
)

// DialLike returns a function for Options.Dial that opens a connection of the node's own with nc's options: its servers,
// those that it was told of included, its credentials, TLS and inbox prefix, but not its handlers. nc itself is not used by
// the node, and may be closed before it.
func DialLike(nc *nats.Conn) func(opts ...nats.Option) (*nats.Conn, error) {
	return func(more ...nats.Option) (*nats.Conn, error) {
		o := nc.Opts
		if len(o.Servers) == 0 {
			o.Servers = []string{o.Url}
		}
		o.Url, o.Servers = "", slices.Clone(o.Servers)
		o.ConnectedCB, o.DiscoveredServersCB, o.LameDuckModeHandler, o.ReconnectErrCB = nil, nil, nil, nil
		for _, set := range append([]nats.Option{jetstream.WithLearned(nc.DiscoveredServers())}, more...) {
			if err := set(&o); err != nil {
				return nil, fmt.Errorf("options of the connection to NATS: %w", err)
			}
		}
		like, err := o.Connect()
		if err != nil {
			return nil, fmt.Errorf("connect to NATS as another connection did: %w", err)
		}
		return like, nil
	}
}
