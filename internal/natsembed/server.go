package natsembed

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Config says how servers are to run. The zero value works.
type Config struct {
	// Host is the address to listen on. Default 127.0.0.1.
	Host string
	// Port is the first server's client port; a cluster's others get ephemeral ones. Default ephemeral.
	Port int
	// StoreDir holds the servers' data, each in a folder of its own. Default: a new folder, which
	// Close removes.
	StoreDir string
	// Name is the cluster's name, and the beginning of each server's. Default phub.
	Name string
	// Account is an account, with JetStream, that all clients who name no user belong to. Default: the
	// global account. There, nats-server 2.15.2 has a data race between a client that connects and a
	// question about connections; it harms nobody, but tests under the race detector fail by it.
	Account string
	// System gives Account access to what phub uses of the system account: reports of closed connections,
	// and KICK. Default false.
	System bool
	// Logger receives what the servers log. Default: nobody.
	Logger server.Logger
	// Change may change the options of a server before each of its starts.
	Change func(*server.Options)
}

func (c Config) withDefaults() Config {
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	if c.Name == "" {
		c.Name = "phub"
	}
	return c
}

// Server is one embedded server. Its methods may be called concurrently.
type Server struct {
	cfg   Config
	name  string
	store string
	owned string // a folder to remove on Close
	route *routing

	mu      sync.Mutex
	port    int // fixed after the first start
	running *server.Server
}

type routing struct {
	cluster string
	port    int
	all     []string // host:port of each server's route listener
}

// StartServer starts one server and waits until it takes connections.
func StartServer(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	dir, owned, err := storeDir(cfg)
	if err != nil {
		return nil, err
	}
	s := newServer(cfg, cfg.Name, dir, cfg.Port, nil)
	s.owned = owned
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func newServer(cfg Config, name, dir string, port int, r *routing) *Server {
	if port == 0 {
		port = -1
	}
	return &Server{cfg: cfg, name: name, store: filepath.Join(dir, name), port: port, route: r}
}

func storeDir(cfg Config) (dir, owned string, err error) {
	if cfg.StoreDir != "" {
		return cfg.StoreDir, "", nil
	}
	dir, err = os.MkdirTemp("", "phub-nats-")
	if err != nil {
		return "", "", fmt.Errorf("make a folder for the NATS server's data: %w", err)
	}
	return dir, dir, nil
}

// Start starts the server, again on its old port if it was stopped. It does nothing if it runs.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	opts, err := s.options()
	if err != nil {
		return err
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("make NATS server %s: %w", s.name, err)
	}
	if s.cfg.Logger != nil {
		ns.SetLogger(s.cfg.Logger, opts.Debug, opts.Trace)
	}
	go ns.Start() // ends with Shutdown, which Stop waits for
	if !ns.ReadyForConnections(10 * time.Second) {
		ns.Shutdown()
		return fmt.Errorf("start NATS server %s on %s: it takes no connections after 10s; is the port in use? try another one",
			s.name, net.JoinHostPort(opts.Host, strconv.Itoa(opts.Port)))
	}
	if a, ok := ns.Addr().(*net.TCPAddr); ok {
		s.port = a.Port
	}
	s.running = ns
	return nil
}

func (s *Server) options() (*server.Options, error) {
	o := &server.Options{}
	if conf := s.cfg.accounts(); conf != "" {
		if err := o.ProcessConfigString(conf); err != nil {
			return nil, fmt.Errorf("configure NATS server %s with account %s: %w", s.name, s.cfg.Account, err)
		}
	}
	o.ServerName, o.Host, o.Port = s.name, s.cfg.Host, s.port
	o.JetStream, o.StoreDir = true, s.store
	o.NoLog, o.NoSigs, o.DisableJetStreamBanner = s.cfg.Logger == nil, true, true
	if s.route != nil {
		o.Cluster = server.ClusterOpts{Name: s.route.cluster, Host: s.cfg.Host, Port: s.route.port}
		for _, hp := range s.route.all {
			o.Routes = append(o.Routes, routeURL(hp))
		}
	}
	if s.cfg.Change != nil {
		s.cfg.Change(o)
	}
	return o, nil
}

// URL returns the address for clients; it stays the same over restarts.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "nats://" + net.JoinHostPort(s.cfg.Host, strconv.Itoa(s.port))
}

// Name returns the server's name.
func (s *Server) Name() string { return s.name }

// Running returns the server itself, or nil while it is stopped.
func (s *Server) Running() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// Stop shuts the server down and waits until it is. Its data stays. To its clients and its cluster it
// is an orderly stop; only the end of its process is a crash.
func (s *Server) Stop() {
	s.mu.Lock()
	ns := s.running
	s.running = nil
	s.mu.Unlock()
	if ns != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
	}
}

// Close stops the server and removes its data if it lies in a folder that this package made.
func (s *Server) Close() error {
	s.Stop()
	if s.owned == "" {
		return nil
	}
	return os.RemoveAll(s.owned)
}

// Disconnect closes a client's connection from the server's side, as a crash of the client would.
func (s *Server) Disconnect(client uint64) error {
	ns := s.Running()
	if ns == nil {
		return errors.New("disconnect client: the NATS server does not run")
	}
	return ns.DisconnectClientByID(client)
}
