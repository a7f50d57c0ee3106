package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
)

// NATS refuses a subscription beside the call that makes it: the server sends an error, and answers the PING after it as
// if nothing were wrong. It names the subject if the user may not subscribe to it, and nothing if the connection has all
// the subscriptions that it may have (max_subs); then the server is asked which it has.

var deniedSubscription = regexp.MustCompile(`Subscription to "([^"]*)"`)

// deniedSubject returns the subject to which err says that the user may not subscribe.
func deniedSubject(err error) (string, bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return "", false
	}
	m := deniedSubscription.FindStringSubmatch(err.Error())
	if m == nil {
		return "", false
	}
	return m[1], true
}

// refused takes an error of the connection, and reports whether it was about children's subscriptions.
func (t *Transport) refused(err error) bool {
	if errors.Is(err, nats.ErrMaxSubscriptionsExceeded) {
		t.checkAll(err)
		return true
	}
	subject, ok := deniedSubject(err)
	if !ok {
		return false
	}
	child := t.session().subjects.ChildOfRequest(subject)
	t.mu.Lock()
	o := t.subs[child]
	t.mu.Unlock()
	return o != nil && t.refuse(child, o, err)
}

// refuse takes back a subscription that NATS did not take, and says so. It returns false if it is gone already.
func (t *Transport) refuse(child string, o *openChild, err error) bool {
	t.mu.Lock()
	is := t.subs[child] == o
	if is {
		delete(t.subs, child)
		_ = o.sub.Unsubscribe() // fails only on a closed connection
	}
	t.mu.Unlock()
	if is {
		t.h.Refused(child, err)
	}
	return is
}

// checkAll finds out which children's subscriptions the server lacks. One check runs at a time; what is refused while it
// runs is found by the next.
func (t *Transport) checkAll(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unchecked++
	if t.unchecked > 1 {
		return
	}
	if err := t.session().start(func() { t.check(cause) }); err != nil {
		t.unchecked = 0
	}
}

func (t *Transport) check(cause error) {
	for {
		t.mu.Lock()
		seen, open := t.unchecked, maps.Clone(t.subs)
		t.mu.Unlock()
		t.checkOnce(open, cause)
		t.mu.Lock()
		if t.unchecked == seen || t.session().life.Err() != nil {
			t.unchecked = 0
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
	}
}

// uncertain is for how long after its opening a child counts as refused if the server does not say what it has.
const uncertain = 5 * time.Second

func (t *Transport) checkOnce(open map[string]*openChild, cause error) {
	ctx, cancel := context.WithTimeout(t.session().life, uncertain)
	defer cancel()
	has, err := t.session().interest(ctx)
	if err != nil {
		t.session().log.Warn("the server does not say which subscriptions it refused; the newest count as refused", "hub", t.session().cfg.Hub, "error", err)
	}
	found := false
	for child, o := range open {
		if err == nil && !has[t.session().subjects.Request(child)] || err != nil && time.Since(o.at) < uncertain {
			found = true
			t.refuse(child, o, fmt.Errorf("%w: raise max_subs of the account or user, or run more nodes", cause))
		}
	}
	if !found {
		t.session().log.Warn("NATS refused a subscription, but none of a child", "hub", t.session().cfg.Hub, "node", t.session().cfg.Node, "error", cause)
	}
}

// interest asks this connection's server for the subjects to which the connection is subscribed there. It has all that was
// subscribed to before the call.
func (s *Session) interest(ctx context.Context) (map[string]bool, error) {
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	answers := make(chan *nats.Msg, 256)
	inbox := s.inboxes.open(answers)
	defer s.inboxes.close(inbox)
	question := fmt.Sprintf(`{"cid":%d,"state":0,"subscriptions":true}`, s.conn.Client)
	if err := s.nc.PublishRequest(connectionsSubject, inbox, []byte(question)); err != nil {
		return nil, portError(err)
	}
	for {
		select {
		case m := <-answers:
			if has, ok := subjectsOf(s.conn.Server, s.conn.Client, m.Data); ok {
				return has, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// subjectsOf returns the subjects that a server's answer lists for a connection; false if it is not that server's word
// on that connection.
func subjectsOf(server string, client uint64, data []byte) (map[string]bool, bool) {
	var a struct {
		Data struct {
			ServerID    string `json:"server_id"`
			Connections []struct {
				Client   uint64   `json:"cid"`
				Subjects []string `json:"subscriptions_list"`
			} `json:"connections"`
		} `json:"data"`
	}
	if err := json.Unmarshal(data, &a); err != nil || a.Data.ServerID != server {
		return nil, false
	}
	for _, c := range a.Data.Connections {
		if c.Client == client {
			has := make(map[string]bool, len(c.Subjects))
			for _, s := range c.Subjects {
				has[s] = true
			}
			return has, true
		}
	}
	return nil, false
}

// flushed is flush for what was subscribed to since the session began: it returns NATS's refusal of one of those. A
// person must act then.
func (s *Session) flushed(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	switch err := s.nc.LastError(); { // set before the answer to the PING was read
	case errors.Is(err, nats.ErrMaxSubscriptionsExceeded):
		return &SetupError{fmt.Sprintf("a connection with no room for a node's own subscriptions (%v)", err), "room for 20, and one for each child that is active on the node", "raise max_subs of the account or user", err}
	case err != nil:
		if _, ok := deniedSubject(err); ok {
			return deniedError(err)
		}
	}
	return nil
}
