package inmem

import (
	"strconv"
	"strings"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Drop loses each message for which f returns true. from and to are names of nodes; "" stands for plain
// clients and, as from, for the servers (republished records). f must not call into the NATS. nil
// loses nothing.
func (n *NATS) Drop(f func(from, to, subject string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop = f
}

// Delay lets each delivery to a handler, and each read and write, take d.
func (n *NATS) Delay(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.latency = d
}

// Stall lets the reads and writes of a node ("" for all) wait until it is called with false, as while a
// stream has no leader. Those whose context ends meanwhile are not stored.
func (n *NATS) Stall(node string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stalled[node] = on
	n.wake()
}

func (n *NATS) wake() {
	close(n.moved)
	n.moved = make(chan struct{})
}

// LoseAcks stores the next count writes and answers them with an error of unknown outcome.
func (n *NATS) LoseAcks(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loseAcks = count
}

// Reject lets NATS refuse all writes to some buckets with a text, as while its storage is full; "" lets it take them again.
func (n *NATS) Reject(why string, buckets ...protocol.Bucket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, b := range buckets {
		n.rejects[b] = why
	}
}

// Silence lets a server answer no question about its connections, or answer again.
func (n *NATS) Silence(server string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent[server] = on
}

// Access gives all accounts access to the system account, or takes it away: closed connections are
// reported, and Session.Kick works. Default false.
func (n *NATS) Access(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.access = on
}

// Hold stops the delivery of everything to a session, as if its process was paused, or lets it go on.
func (n *NATS) Hold(s *Session, on bool) {
	n.mu.Lock()
	boxes := s.boxes()
	n.mu.Unlock()
	for _, b := range boxes {
		b.hold(on)
	}
}

// Cut ends a session's connection, as the death of its process or a broken wire that both ends see.
func (n *NATS) Cut(s *Session) { s.end() }

// Sever ends a session's connection at the server only: the node is not told. What it sends is lost.
func (n *NATS) Sever(s *Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.severed = true
	n.broker.removeOwner(s)
	delete(n.sessions, s.conn)
	n.wake()
}

// StopServer ends all connections to a server, which is gone until the next Open at it; then it has a
// new id.
func (n *NATS) StopServer(server string) {
	n.mu.Lock()
	id := serverID(server, n.starts[server])
	n.starts[server]++
	var gone []*Session
	for c, s := range n.sessions {
		if c.Server == id {
			gone = append(gone, s)
		}
	}
	n.mu.Unlock()
	for _, s := range gone {
		s.end()
	}
}

func serverID(server string, start int) string { return server + "-" + strconv.Itoa(start) }

func cutServer(id string) (server string, start int, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i < 0 {
		return "", 0, false
	}
	start, err := strconv.Atoi(id[i+1:])
	return id[:i], start, err == nil
}
