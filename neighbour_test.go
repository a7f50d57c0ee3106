package phub_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

// incarnations returns those of a hub's members, by name.
func (h *testHub) incarnations() map[string]string {
	h.t.Helper()
	nodes, err := h.client.Nodes(h.ctx(10 * time.Second))
	if err != nil {
		h.t.Fatal(err)
	}
	ids := map[string]string{}
	for _, n := range nodes.Nodes {
		if n.Member {
			ids[n.Node] = n.ID
		}
	}
	return ids
}

// TestNeighbour_NewcomersInAnotherDomainAreRefused has a hub in one JetStream domain, and two newcomers at a leaf node with a domain of
// its own, one of them with the name of a member. They give up, and name both domains. The hub is not touched. With the right domain a
// node at the leaf node joins it.
func TestNeighbour_NewcomersInAnotherDomainAreRefused(t *testing.T) {
	t.Parallel()
	hub, leaf := natstest.Domains(t)
	h := newTestHub(t, hub.URL())
	h.join("node1", "node2")
	h.start(pair("c"))
	before := h.incarnations()
	refused := make(chan error, 2)
	for _, name := range []string{"node1", "node3"} {
		o := h.options(name)
		o.URL = leaf.URL()
		go func() {
			_, err := phub.Join(h.ctx(30*time.Second), o)
			refused <- err
		}()
	}
	for left := 2; left > 0; {
		select {
		case err := <-refused:
			left--
			if p, ok := errors.AsType[*phub.Problem](err); !ok || !strings.Contains(p.Message, "domain hub") || !strings.Contains(p.Message, "domain leaf") || !strings.Contains(p.Try, "--js-domain") {
				t.Errorf("the newcomer got %v", err)
			}
		default:
			if _, err := h.client.Request(h.ctx(5*time.Second), "c", nil); err != nil {
				t.Errorf("a request to the hub that runs: %v", err)
			}
		}
	}
	if after := h.incarnations(); len(after) != 2 || after["node1"] != before["node1"] || after["node2"] != before["node2"] {
		t.Errorf("the members were %v, and are %v", before, after)
	}
	st, err := h.client.Status(h.ctx(10 * time.Second))
	if err != nil || st.Domain != "hub" || st.Config.ID == "" || st.Refused["hub"].Total == 0 {
		t.Errorf("status: %v, domain %q, id %q, refused %v", err, st.Domain, st.Config.ID, st.Refused)
	}
	o := h.options("node3")
	o.URL, o.Domain = leaf.URL(), "hub"
	h.joinWith(o)
	h.eventually("the node at the leaf node is a member", func() bool { return len(h.incarnations()) == 3 })
}

// TestNeighbour_TwoHubsThatRunGoOn makes two hubs of one name that can't hear each other, and then links their servers. The members of
// both stay, and each says that there is the other.
func TestNeighbour_TwoHubsThatRunGoOn(t *testing.T) {
	t.Parallel()
	first, second, link := natstest.ApartDomains(t)
	var hubs []*testHub
	for _, srv := range []*natsembed.Server{first, second} {
		h := newTestHub(t, srv.URL())
		h.join("node1", "node2")
		hubs = append(hubs, h)
	}
	ids := make([]string, len(hubs))
	for i, h := range hubs {
		st, err := h.client.Status(h.ctx(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = st.Config.ID
	}
	if ids[0] == ids[1] || ids[0] == "" || ids[1] == "" {
		t.Fatalf("the hubs have ids %q", ids)
	}
	link()
	for i, h := range hubs {
		h.eventually("the hub says that there is another one, and has its nodes", func() bool {
			st, err := h.client.Status(h.ctx(10 * time.Second)) // a server gives its own clients' requests to its own nodes
			return err == nil && st.Config.ID == ids[i] && strings.Contains(strings.Join(st.Trouble, " "), ids[1-i]) && st.Nodes == 2
		})
	}
}
