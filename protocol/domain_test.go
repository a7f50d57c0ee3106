package protocol_test

import (
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestDomainOfAPI(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"$JS.hub.API": "hub", "$JS.hub.API.": "hub", "$JS.API": "", "$JS.API.": ""} {
		if got, ok := protocol.DomainOfAPI(prefix); !ok || got != want {
			t.Errorf("%s: got %q, %t, want %q", prefix, got, ok, want)
		}
	}
	for _, prefix := range []string{"JS.app.API", "$JS.a.b.API", "$JS.*.API", "$JS..API", "hub.API.", "$JS.hub"} {
		if got, ok := protocol.DomainOfAPI(prefix); ok {
			t.Errorf("%s: got domain %q, want none", prefix, got)
		}
	}
}

func TestValidateDomain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "hub", "eu-west_1", strings.Repeat("x", 128)} {
		if err := protocol.ValidateDomain(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"a.b", "*", ">", "a b", `a"b`, "a\n", "é", strings.Repeat("x", 129)} {
		if protocol.ValidateDomain(name) == nil {
			t.Errorf("%q was taken for a domain", name)
		}
	}
}

func TestBucket_WriteKeys(t *testing.T) {
	t.Parallel()
	if got, want := protocol.NodesBucket.WriteKeys("h", ""), "$KV.phub_h_nodes."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := protocol.NodesBucket.WriteKeys("h", "edge"), "$JS.edge.API.$KV.phub_h_nodes."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
