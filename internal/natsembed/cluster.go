package natsembed

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster is several embedded servers that form one NATS cluster, or one that stands alone. Its methods
// may be called concurrently.
type Cluster struct {
	Servers []*Server
	owned   string
}

// StartCluster starts n servers and waits until JetStream has a leader and all of them are current.
// Another program may take a route port before the server does: then it is tried again.
func StartCluster(n int, cfg Config) (*Cluster, error) {
	cfg = cfg.withDefaults()
	dir, owned, err := storeDir(cfg)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		c, err := startCluster(n, cfg, dir)
		if err == nil {
			c.owned = owned
			return c, nil
		}
		if try == 3 {
			return nil, errors.Join(err, removeOwned(owned))
		}
	}
}

func startCluster(n int, cfg Config, dir string) (*Cluster, error) {
	ports, err := freePorts(cfg.Host, n)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, p := range ports {
		all = append(all, net.JoinHostPort(cfg.Host, strconv.Itoa(p)))
	}
	c := &Cluster{}
	for i := range n {
		port := 0
		if i == 0 {
			port = cfg.Port
		}
		var r *routing
		if n > 1 { // one server would wait for others to elect a leader with
			r = &routing{cluster: cfg.Name, port: ports[i], all: all}
		}
		c.Servers = append(c.Servers, newServer(cfg, fmt.Sprintf("%s-%d", cfg.Name, i+1), dir, port, r))
	}
	if err := c.start(); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start() error {
	errs := make([]error, len(c.Servers))
	var wg sync.WaitGroup
	for i, s := range c.Servers {
		wg.Go(func() { errs[i] = s.Start() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.WaitReady(20 * time.Second)
}

// WaitReady waits until JetStream has a leader, every running server follows it, and each tells its clients of all others:
// a route is up before that, and a client that connects in between learns of fewer.
func (c *Cluster) WaitReady(limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if c.ready() {
			return nil
		}
	}
	return fmt.Errorf("wait for the NATS cluster: no JetStream leader that all %d servers follow, or not all known to each other, after %v", len(c.Servers), limit)
}

func (c *Cluster) ready() bool {
	if len(c.Servers) == 1 {
		return c.Servers[0].Running() != nil
	}
	leader := false
	running := c.running()
	for _, ns := range running {
		if !ns.JetStreamIsCurrent() || len(ns.JetStreamClusterPeers()) < len(c.Servers) && ns.JetStreamIsLeader() {
			return false
		}
		leader = leader || ns.JetStreamIsLeader()
	}
	return leader && !slices.ContainsFunc(running, func(ns *server.Server) bool {
		v, err := ns.Varz(nil)
		return err != nil || len(v.ClientConnectURLs) < len(running)
	})
}

func (c *Cluster) running() (running []*server.Server) {
	for _, s := range c.Servers {
		if ns := s.Running(); ns != nil {
			running = append(running, ns)
		}
	}
	return running
}

// Leader returns the index of the server that leads a stream of the clients' account, or -1.
func (c *Cluster) Leader(stream string) int {
	for i, s := range c.Servers {
		account := cmp.Or(s.cfg.Account, server.DEFAULT_GLOBAL_ACCOUNT)
		if ns := s.Running(); ns != nil && ns.JetStreamIsStreamLeader(account, stream) {
			return i
		}
	}
	return -1
}

// URL returns the addresses of all servers, separated by commas.
func (c *Cluster) URL() string {
	var urls []string
	for _, s := range c.Servers {
		urls = append(urls, s.URL())
	}
	return strings.Join(urls, ",")
}

// Stop stops all servers; their data stays.
func (c *Cluster) Stop() {
	var wg sync.WaitGroup
	for _, s := range c.Servers {
		wg.Go(s.Stop)
	}
	wg.Wait()
}

// Close stops all servers and removes their data if it lies in a folder that this package made.
func (c *Cluster) Close() error {
	c.Stop()
	return removeOwned(c.owned)
}

func removeOwned(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}

func routeURL(hostPort string) *url.URL { return &url.URL{Scheme: "nats-route", Host: hostPort} }

func freePorts(host string, n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port on %s: %w", host, err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
