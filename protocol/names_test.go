package protocol_test

import (
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestValidateNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for _, tc := range []struct {
		name         string
		token, child string // what the error says, "" for none
	}{
		{"a", "", ""},
		{"node-1_B", "", ""},
		{"-", "", ""},
		{"7", "", ""},
		{long, "", ""},
		{long + "a", "(65 bytes)", ""},
		{strings.Repeat(long, 2), "(128 bytes)", ""},
		{strings.Repeat(long, 2) + "a", "(129 bytes)", "(129 bytes)"},
		{"", "nothing", "nothing"},
		{"_view", "begin with _", "begin with _"},
		{"a.b", "at byte 1", ""},
		{"orders.eu.7", "at byte 6", ""},
		{"a=b/c", "at byte 1", ""},
		{".a", "at byte 0", "none at the ends"},
		{"a.", "at byte 1", "none at the ends"},
		{"a..b", "at byte 1", "single dots"},
		{".", "at byte 0", "none at the ends"},
		{"a b", `" " at byte 1`, `" " at byte 1`},
		{"a*", "at byte 1", "at byte 1"},
		{">", "at byte 0", "at byte 0"},
		{"é", "at byte 0", "at byte 0"},
		{"a\n", "at byte 1", "at byte 1"},
		{"a\x00", "at byte 1", "at byte 1"},
	} {
		for field, validate := range map[string]func(string) error{
			"hub": protocol.ValidateHub, "node": protocol.ValidateNode, "kind": protocol.ValidateKind,
		} {
			checkNameError(t, field, tc.name, validate(tc.name), tc.token)
		}
		checkNameError(t, "child", tc.name, protocol.ValidateChild(tc.name), tc.child)
	}
}

func TestValidateFilter(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{"a", "orders.eu", ">", "*", "orders.>", "orders.*", "*.eu.*.>", "a._b"} {
		checkNameError(t, "filter", filter, protocol.ValidateFilter(filter), "")
	}
	for _, filter := range []string{"", ".", "a..b", ".a", "a.", ">.a", "a.>.b", "a*", "a b", "a.>>", "_view", "a\x00"} {
		checkNameError(t, "filter", filter, protocol.ValidateFilter(filter), "a token may be *")
	}
}

func checkNameError(t *testing.T, field, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s %.80q: %v", field, name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), field+":")):
		t.Errorf("%s %.80q: got error %v, want %q", field, name, err, want)
	}
}

func TestSubjects_AreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	s := protocol.SubjectsOf("my_hub")
	for got, want := range map[string]string{
		s.Request("orders.eu.7"):                    "phub.my_hub.req.orders.eu.7",
		s.Mode("child1"):                            "phub.my_hub.mode.child1",
		s.Event(protocol.NodeLost, "node1"):         "phub.my_hub.event.node_lost.node1",
		s.Control(protocol.VerbStart):               "phub.my_hub.ctl.start",
		s.ChildOfRequest("phub.my_hub.req.a.b"):     "a.b",
		s.ChildOfRequest("phub.other.req.a.b"):      "",
		protocol.NodesBucket.Name("my_hub"):         "phub_my_hub_nodes",
		protocol.ChildrenBucket.Name("my_hub"):      "phub_my_hub_children",
		protocol.PlacementBucket.Name("my_hub"):     "phub_my_hub_placement",
		strings.Join(s.Watch(), " "):                "phub.my_hub.mode.> phub.my_hub.event.>",
		s.Stored(protocol.PlacementBucket, "_view"): "phub.my_hub.int.kv.placement._view",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
