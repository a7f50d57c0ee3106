package jetstream

import (
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
)

// Server returns the URL of the server to which the session is, or was, connected.
func (s *Session) Server() string { return s.server }

// putLast makes a server the last one to be tried, if there are others. Unless an order was asked for, the
// others come in any.
func putLast(o *nats.Options, server string) {
	var first, last []string
	for _, u := range o.Servers {
		if address(u) == address(server) {
			last = append(last, u)
		} else {
			first = append(first, u)
		}
	}
	if len(first) == 0 || len(last) == 0 {
		return
	}
	if !o.NoRandomize {
		rand.Shuffle(len(first), func(i, j int) { first[i], first[j] = first[j], first[i] })
	}
	o.Servers, o.NoRandomize = append(first, last...), true
}

// address returns the host and port of a server's URL, which may lack its scheme and its port.
func address(server string) string {
	if !strings.Contains(server, "://") {
		server = "nats://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	if u.Port() == "" {
		return u.Hostname() + ":4222"
	}
	return u.Host
}
