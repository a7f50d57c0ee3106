package jetstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// What is here works only where the hub's account imports it from the system account.

// disconnection is a server's report that a client's connection of the account was closed.
type disconnection struct {
	Server struct {
		ID string `json:"id"`
	} `json:"server"`
	Client struct {
		ID   uint64 `json:"id"`
		Name string `json:"name"`
	} `json:"client"`
}

// reportedConn returns the connection of a report, if it was one of this hub's nodes. The account's other
// clients are most of what is reported, and are told apart without decoding.
func reportedConn(hub string, data []byte) (protocol.Conn, bool) {
	prefix := clientName(hub, "")
	if !bytes.Contains(data, []byte(prefix)) {
		return protocol.Conn{}, false
	}
	var d disconnection
	if json.Unmarshal(data, &d) != nil || !strings.HasPrefix(d.Client.Name, prefix) {
		return protocol.Conn{}, false
	}
	return protocol.Conn{Server: d.Server.ID, Client: d.Client.ID}, d.Server.ID != "" && d.Client.ID != 0
}

// Kick has a node's connection closed by its server. A server does that to whatever connection it is told
// of, of whatever account: so it is asked first whose that is, which it tells only of this account's.
func (s *Session) Kick(ctx context.Context, node string, c protocol.Conn) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if !isServerID(c.Server) {
		return fmt.Errorf("kick: found server %q, expected a NATS server's id (N and 55 letters and digits)", c.Server)
	}
	h, err := s.holder(ctx, c)
	switch {
	case err != nil:
		return fmt.Errorf("kick: %w", err)
	case h.evidence == view.Unknown:
		return fmt.Errorf("kick: server %s says nothing about its connection %d", c.Server, c.Client)
	case h.evidence == view.Closed, h.name != clientName(s.cfg.Hub, node):
		return fmt.Errorf("kick: connection %d of server %s is not open, or not node %s's: %w", c.Client, c.Server, node, coordinator.ErrConflict)
	}
	return s.kick(ctx, c)
}

func (s *Session) kick(ctx context.Context, c protocol.Conn) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	m, err := s.nc.RequestWithContext(ctx, protocol.KickSubject(c.Server), fmt.Appendf(nil, `{"cid":%d}`, c.Client))
	if err != nil {
		return fmt.Errorf("kick: %w", portError(err))
	}
	var answer kicked
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("kick: decode the answer of server %s: %w", c.Server, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("kick: server %s answers %.200q", c.Server, answer.Error.Description)
	}
	return nil
}

// kicked is a server's answer to an order to close a connection.
type kicked struct {
	Error *struct {
		Description string `json:"description"`
	} `json:"error"`
}

// isServerID reports whether id may be that of a NATS server, a public key: it becomes part of a subject.
func isServerID(id string) bool {
	if len(id) != 56 || id[0] != 'N' {
		return false
	}
	return strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}
