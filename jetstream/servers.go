package jetstream

import (
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// Server returns the URL of the server to which the session is, or was, connected.
func (s *Session) Server() string { return s.server }

// Learned returns the URLs of servers that the session's server told of, beside those that were dialled. They bear no
// credentials.
func (s *Session) Learned() []string { return s.nc.DiscoveredServers() }

// mostLearned bounds the servers that a session hands on to the next: they may come and go, under other addresses each time.
const mostLearned = 32

// learnedOf returns the newest of the servers that a session was told of, and those before it.
func learnedOf(now, before []string) []string {
	var all []string
	for _, l := range slices.Concat(now, before) {
		if !slices.ContainsFunc(all, func(s string) bool { return address(s) == address(l) }) {
			all = append(all, l)
		}
	}
	return all[:min(len(all), mostLearned)]
}

// WithLearned adds servers that an earlier connection was told of, as a client that reconnects would use them: with the
// credentials, and for TLS the host name, of the servers that were named. It must come after the options that say those.
func WithLearned(learned []string) nats.Option {
	return func(o *nats.Options) error {
		addLearned(o, learned)
		return nil
	}
}

func addLearned(o *nats.Options, learned []string) {
	named := slices.Clone(o.Servers)
	for _, l := range learned {
		if !slices.ContainsFunc(o.Servers, func(s string) bool { return address(s) == address(l) }) {
			o.Servers = append(o.Servers, withUser(l, named))
		}
	}
	if host := onlyName(named); host != "" && slices.ContainsFunc(o.Servers[len(named):], isIP) {
		o.TLSConfig = withServerName(o.TLSConfig, host)
	}
}

// withUser returns server with the first credentials that stand in one of the URLs.
func withUser(server string, named []string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	for _, n := range named {
		if p, err := url.Parse(n); err == nil && p.User != nil {
			u.User = p.User
			return u.String()
		}
	}
	return server
}

// onlyName returns the host that all the servers have, if it is a name.
func onlyName(servers []string) string {
	host := ""
	for _, s := range servers {
		h, _, err := net.SplitHostPort(address(s))
		if err != nil || host != "" && h != host || isIP(s) {
			return ""
		}
		host = h
	}
	return host
}

func isIP(server string) bool {
	host, _, err := net.SplitHostPort(address(server))
	return err == nil && net.ParseIP(host) != nil
}

// withServerName returns a copy of c that expects certificates of that host. Without a configuration there is none.
func withServerName(c *tls.Config, host string) *tls.Config {
	if c == nil || c.ServerName != "" {
		return c
	}
	c = c.Clone()
	c.ServerName = host
	return c
}

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
