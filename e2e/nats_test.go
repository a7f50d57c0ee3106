//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsServer is a nats-server process that can be started again with the same ports and data.
type natsServer struct {
	*process
	url  string
	args []string
	dir  string
}

// natsCluster is one server, or several that form a cluster.
type natsCluster struct {
	t       *testing.T
	dir     string
	servers []*natsServer
	opts    []nats.Option // for connections to it
}

// startNATS starts n servers and waits until JetStream takes writes.
func startNATS(t *testing.T, n int) *natsCluster {
	t.Helper()
	return startNATSOver(t, n, allRoutes)
}

// allRoutes are the arguments by which a server finds all others.
func allRoutes(_ int, cluster []string) []string {
	return []string{"--routes", "nats://" + strings.Join(cluster, ",nats://")}
}

// startNATSOver is startNATS with the arguments by which a server finds the others, given its index and
// the addresses at which servers listen for each other; more are all servers' further arguments.
func startNATSOver(t *testing.T, n int, routesFunc func(i int, cluster []string) []string, more ...string) *natsCluster {
	t.Helper()
	c := &natsCluster{t: t, dir: t.TempDir()}
	ports := freePorts(t, 2*n)
	cluster := make([]string, n)
	for i := range cluster {
		cluster[i] = fmt.Sprintf("127.0.0.1:%d", ports[n+i])
	}
	for i := range n {
		name := fmt.Sprintf("nats%d", i+1)
		s := &natsServer{dir: c.dir, url: fmt.Sprintf("nats://127.0.0.1:%d", ports[i])}
		s.args = []string{"--name", name, "--addr", "127.0.0.1", "--port", fmt.Sprint(ports[i]), "--jetstream", "--store_dir", c.dir + "/" + name}
		if n > 1 {
			s.args = append(s.args, "--cluster_name", "e2e", "--cluster", "nats://"+cluster[i], "--no_advertise")
			s.args = append(s.args, routesFunc(i, cluster)...)
		}
		s.args = append(s.args, more...)
		c.servers = append(c.servers, s)
		s.process = start(t, c.dir, name, bin.natsServer, s.args...)
		s.shown = 5
	}
	c.ready()
	return c
}

// ready waits until the cluster makes a replicated bucket, which needs a leader and all servers.
func (c *natsCluster) ready() {
	c.t.Helper()
	nc := connect(c.t, c.url(), c.opts...)
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, 30*time.Second, "JetStream is ready", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if _, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "e2e_ready", Replicas: len(c.servers)}); err != nil {
			return err
		}
		return js.DeleteKeyValue(ctx, "e2e_ready")
	})
}

func (c *natsCluster) url() string {
	urls := make([]string, len(c.servers))
	for i, s := range c.servers {
		urls[i] = s.url
	}
	return strings.Join(urls, ",")
}

// restart starts a server that was killed again.
func (c *natsCluster) restart(i int) {
	s := c.servers[i]
	s.process = start(c.t, c.dir, s.name, bin.natsServer, s.args...)
	s.shown = 5
}

// leader returns the index of the server that leads a bucket's stream.
func (c *natsCluster) leader(bucket string) int {
	c.t.Helper()
	nc := connect(c.t, c.url(), c.opts...)
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		c.t.Fatal(err)
	}
	at := -1
	eventually(c.t, 20*time.Second, "the stream has a leader", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s, err := js.Stream(ctx, "KV_"+bucket)
		if err != nil {
			return err
		}
		if s.CachedInfo().Cluster == nil {
			return errors.New("no cluster information")
		}
		for i, server := range c.servers {
			if server.name == s.CachedInfo().Cluster.Leader {
				at = i
				return nil
			}
		}
		return fmt.Errorf("leader %q", s.CachedInfo().Cluster.Leader)
	})
	return at
}

// current waits until every server has all of a bucket's stream.
func (c *natsCluster) current(bucket string) {
	c.t.Helper()
	nc := connect(c.t, c.url(), c.opts...)
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, 60*time.Second, "all servers have the stream of "+bucket, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s, err := js.Stream(ctx, "KV_"+bucket)
		if err != nil {
			return err
		}
		info := s.CachedInfo().Cluster
		if info == nil || info.Leader == "" || len(info.Replicas) != len(c.servers)-1 {
			return fmt.Errorf("cluster %+v", info)
		}
		for _, r := range info.Replicas {
			if !r.Current || r.Offline {
				return fmt.Errorf("%s is not current", r.Name)
			}
		}
		return nil
	})
}

// connect opens a connection that goes on trying.
func connect(t *testing.T, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	var nc *nats.Conn
	eventually(t, 20*time.Second, "NATS at "+url+" takes connections", func() (err error) {
		nc, err = nats.Connect(url, append([]nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond)}, opts...)...)
		return err
	})
	return nc
}

// cli runs the nats command line and returns what it printed. The test fails if it does.
func (c *natsCluster) cli(args ...string) string {
	c.t.Helper()
	return natsCommand(c.t, c.dir, c.url(), args...)
}

func natsCommand(t *testing.T, home, url string, args ...string) string {
	t.Helper()
	cmd := exec.Command(bin.nats, append([]string{"--no-context", "--server", url}, args...)...)
	cmd.Env = cleanEnv(home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nats %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}
