package porttest

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// answersGoOnlyWhereTheyBelong asks each that answers for answers on subjects that are not for them, and then for one on a
// subject that is: that it comes shows that the others would have come.
func answersGoOnlyWhereTheyBelong(t *testing.T, s *setup) {
	a, heard := s.open("a")
	heard.beatFunc = func(b protocol.Beat, answer func(protocol.BeatAnswer)) {
		answer(protocol.BeatAnswer{V: 1, Coordinator: incarnation("a"), To: b.ID, Number: b.Number})
	}
	heard.controlFunc = func(_ string, data []byte, answer func([]byte, *protocol.Problem)) { answer(data, nil) }
	p := a.Transport()
	s.must(p.Serve(running{"a", echo("a")}))
	s.must(p.Open(s.ctx, interests("c")))
	s.must(a.Lead(s.ctx, true))
	s.must(a.StandIn(interests("absent"), true))

	canary := newCanary(s)
	for _, subject := range []string{
		s.subjects.Request("c"), s.subjects.Request("absent"), s.subjects.Control(protocol.VerbStatus), s.subjects.Relay(protocol.VerbStatus),
		s.subjects.Beat(), s.subjects.Release("a"),
	} {
		s.ask(subject, dataFor(s, subject)) // somebody listens
		for _, reply := range canary.forbiddenOn(subject) {
			s.sys.PublishRequest(t, subject, reply, dataFor(s, subject))
		}
		s.ask(subject, dataFor(s, subject))
		canary.check(subject)
	}
}

// sent counts heartbeats: none is taken again.
var sent atomic.Uint64

// dataFor is what is understood on a subject.
func dataFor(s *setup, subject string) []byte {
	switch subject {
	case s.subjects.Beat():
		return s.signed("b", subject, &protocol.Beat{V: 1, Incarnation: incarnation("b"), Number: sent.Add(1), Conn: protocol.Conn{Server: "N", Client: 1}, Status: protocol.Up})
	case s.subjects.Release("a"):
		return s.signed("b", subject, &protocol.ReleaseRequest{V: 1, From: "b", ID: incarnation("b").ID, Number: 1, Children: []protocol.Release{{Child: "x", View: 4}}})
	}
	return []byte("{}")
}

// signed is what a node sends on a subject.
func (s *setup) signed(node, subject string, m protocol.Message) []byte {
	s.Helper()
	data, err := protocol.EncodeSigned(KeysOf(node), subject, m)
	s.must(err)
	return data
}

// signedAs is the same with another node's signature: of what that one would say in its own name.
func (s *setup) signedAs(signer, node, subject string, m protocol.Message) []byte {
	data := s.signed(node, subject, m)
	text, _ := protocol.SplitSignature(data)
	return fmt.Appendf(bytes.Clone(text), `,"sig":%q}`, KeysOf(signer).Sign(fmt.Appendf(nil, "%s\n%s", subject, text)))
}

// canary listens on subjects on which nobody may be made to publish.
type canary struct {
	s         *setup
	forbidden []string
	mu        sync.Mutex
	heard     []string
	ends      int
}

func newCanary(s *setup) *canary {
	mode, other, dollar := s.subjects.Mode(""), protocol.SubjectsOf(s.hub+"-other").Request(""), "$CANARY."+s.hub+"."
	node := protocol.NodeInboxes(s.hub+"-other") + "."
	c := &canary{s: s, forbidden: []string{mode + "c", other + "c", dollar + "c", node + "c"}}
	for _, prefix := range []string{mode, other, dollar, node} {
		s.sys.Subscribe(s, prefix+">", func(subject string, _ []byte) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if subject == prefix+"end" {
				c.ends++
			} else {
				c.heard = append(c.heard, subject)
			}
		})
	}
	return c
}

// forbiddenOn returns the subjects on which no answer to a request on a subject may be published: nodes answer each other in
// their inboxes.
func (c *canary) forbiddenOn(subject string) []string {
	if subject == c.s.subjects.Beat() || subject == c.s.subjects.Release("a") || subject == c.s.subjects.Relay(protocol.VerbStatus) {
		return c.forbidden[:len(c.forbidden)-1]
	}
	return c.forbidden
}

// check expects that nothing arrived so far but what it sends itself, last.
func (c *canary) check(what string) {
	c.s.Helper()
	c.mu.Lock()
	ends := c.ends + len(c.forbidden)
	c.mu.Unlock()
	for _, f := range c.forbidden {
		c.s.sys.Publish(c.s, f[:len(f)-1]+"end", nil)
	}
	c.s.eventually("the end arrives", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.ends == ends
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.heard) > 0 {
		c.s.Errorf("who asks on %s can have answers published on %q", what, c.heard)
		c.heard = nil
	}
}
