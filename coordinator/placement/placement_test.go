package placement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phub-io/phub/coordinator/placement"
)

// parseNodes reads "a b/zone1 c*2 d!": a zone after a slash, a capacity after a star, ! for draining.
func parseNodes(t *testing.T, s string) []placement.Node {
	t.Helper()
	var nodes []placement.Node
	for f := range strings.FieldsSeq(s) {
		var n placement.Node
		f, n.Draining = strings.CutSuffix(f, "!")
		if name, capacity, ok := strings.Cut(f, "*"); ok {
			f = name
			if _, err := fmt.Sscan(capacity, &n.Capacity); err != nil {
				t.Fatalf("capacity of %q: %v", f, err)
			}
		}
		n.Name, n.Zone, _ = strings.Cut(f, "/")
		nodes = append(nodes, n)
	}
	return nodes
}

func fields(s string) []string { return strings.Fields(s) }

func show(plans []placement.Plan) string {
	var b strings.Builder
	for _, p := range plans {
		fmt.Fprintf(&b, "%s: %s", p.Child, strings.Join(p.Replicas, " "))
		if p.Moving {
			b.WriteString(" (moving)")
		}
		fmt.Fprintf(&b, " # %s\n", p.Reason)
	}
	return b.String()
}

func TestRepair(t *testing.T) {
	t.Parallel()
	type child = placement.Child
	for _, tc := range []struct {
		name  string
		nodes string
		child child
		want  string // "" for no plan
	}{
		{"a child that has what it needs is left alone", "a b c", child{Want: 2, Exclusive: true, Current: fields("b a")}, ""},
		{"a child may want more replicas than there are nodes", "a b", child{Want: 5, Current: fields("b a")}, ""},
		{"a wish of none counts as one", "a", child{}, "a # placed on a: fewest active replicas first"},
		{"a hub without nodes places nothing", "", child{Want: 1}, ""},
		{"a new replica comes last", "a b", child{Want: 2, Exclusive: true, Current: fields("b")}, "b a # 1 of 2 replicas missing; added on a: fewest replicas (0)"},
		{"a replica on an unknown node is lost", "a b", child{Want: 2, Exclusive: true, Current: fields("b x")}, "b a # replica lost with x; added on a: fewest replicas (0)"},
		{"a replica that was given up goes elsewhere", "a b c", child{Want: 2, Exclusive: true, Current: fields("b a"), Avoid: fields("a")}, "b c # replica given up on a; added on c: fewest replicas (0)"},
		{"the first ready one follows an active that was given up", "a b c d", child{Want: 4, Exclusive: true, Current: fields("a b c d"), Avoid: fields("a"), Unready: fields("b")}, "c b d # replica given up on a"},
		{"the first follows if none is ready", "a b c", child{Want: 3, Exclusive: true, Current: fields("a b c"), Avoid: fields("a"), Unready: fields("b c")}, "b c # replica given up on a"},
		{"a child given up everywhere is nowhere", "a b", child{Want: 2, Current: fields("a b"), Avoid: fields("a b")}, " # replica given up on a; replica given up on b; no node is left that may hold it"},
		{"a child that is nowhere and can't be anywhere stays so", "a b", child{Want: 2, Avoid: fields("a b")}, ""},
		{"a node named twice counts once", "a b", child{Want: 2, Exclusive: true, Current: fields("a a")}, "a b # 1 of 2 replicas missing; added on b: fewest replicas (0)"},
		{"nothing new goes to a draining node", "a b!", child{Want: 2, Exclusive: true, Current: fields("a")}, ""},
		{"a replica on a draining node may stay for Balance to move", "a! b", child{Want: 2, Exclusive: true, Current: fields("a b")}, ""},
		{"the active one stays even on a draining node when one is too many", "a! b c", child{Want: 1, Exclusive: true, Current: fields("a b")}, "a # one replica too many: dropped on b"},
		{"of passive ones the one on a draining node is dropped", "a b! c", child{Want: 2, Exclusive: true, Current: fields("a b c")}, "a c # one replica too many: dropped on b"},
		{"one that is not ready is dropped before one that is", "a b c", child{Want: 2, Exclusive: true, Current: fields("a b c"), Unready: fields("b")}, "a c # one replica too many: dropped on b"},
		{"one that shares its zone is dropped", "a/z b/z c/y", child{Want: 2, Exclusive: true, Current: fields("a b c")}, "a c # one replica too many: dropped on b"},
		{"otherwise the last is dropped", "a b c", child{Want: 2, Exclusive: true, Current: fields("c b a")}, "c b # one replica too many: dropped on a"},
		{"where all are active the first may be dropped", "a! b", child{Want: 1, Current: fields("a b")}, "b # one replica too many: dropped on a"},
		{"nothing is dropped before the active one is ready", "a b", child{Want: 1, Exclusive: true, Current: fields("b a"), Unready: fields("b")}, ""},
		{"what follows drops the old one when it is ready", "a b", child{Want: 1, Exclusive: true, Current: fields("b a")}, "b # one replica too many: dropped on a"},
		{"one more than wanted is right while a child moves", "a b", child{Want: 1, Exclusive: true, Moving: true, Current: fields("a b"), Unready: fields("b")}, ""},
		{"two more than wanted is not", "a b c", child{Want: 1, Exclusive: true, Moving: true, Current: fields("a b c")}, "a # one replica too many: dropped on c; one replica too many: dropped on b"},
		{"a move ends when its target is given up", "a b", child{Want: 1, Exclusive: true, Moving: true, Current: fields("a b"), Avoid: fields("b")}, "a # replica given up on b"},
		{"a move ends early when the old node is gone", "b", child{Want: 1, Exclusive: true, Moving: true, Current: fields("a b"), Unready: fields("b")}, "b # replica lost with a"},
		{"other zones come first", "a/x b/x c/x d/y", child{Want: 2, Exclusive: true, Current: fields("a")}, "a d # 1 of 2 replicas missing; added on d: fewest replicas (0)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.child.Name = "k"
			got := show(placement.Repair(parseNodes(t, tc.nodes), []child{tc.child}))
			want := ""
			if tc.want != "" {
				want = "k: " + tc.want + "\n"
			}
			if got != want {
				t.Errorf("Repair:\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestBalance(t *testing.T) {
	t.Parallel()
	type child = placement.Child
	for _, tc := range []struct {
		name     string
		nodes    string
		children []child
		want     string
	}{
		{"an even hub is left alone", "a b", []child{{Name: "k1", Want: 1, Current: fields("a")}, {Name: "k2", Want: 1, Current: fields("b")}}, ""},
		{"one child more on a node is even enough", "a b", []child{{Name: "k1", Want: 1, Current: fields("a")}}, ""},
		{
			"a single replica is moved by one beside it", "a b",
			[]child{{Name: "k1", Want: 1, Exclusive: true, Current: fields("a")}, {Name: "k2", Want: 1, Exclusive: true, Current: fields("a")}},
			"k1: a b (moving) # balance replicas: a has 2, b has 0\n",
		},
		{
			"which follows when it is ready", "a b",
			[]child{{Name: "k1", Want: 1, Exclusive: true, Moving: true, Current: fields("a b")}, {Name: "k2", Want: 1, Exclusive: true, Current: fields("a")}},
			"k1: b a # moved from a to b, which is ready\n",
		},
		{"and not before", "a b", []child{{Name: "k1", Want: 1, Exclusive: true, Moving: true, Current: fields("a b"), Unready: fields("b")}}, ""},
		{
			"where all are active the old one is dropped at once", "a b",
			[]child{{Name: "k1", Want: 1, Moving: true, Current: fields("a b")}},
			"k1: b # moved from a to b, which is ready\n",
		},
		{
			"a passive replica is replaced in one step", "a b c",
			[]child{{Name: "k1", Want: 2, Exclusive: true, Current: fields("a b")}, {Name: "k2", Want: 2, Exclusive: true, Current: fields("b a")}},
			"k2: b c # balance replicas: a has 2, c has 0\n",
		},
		{
			"an active one with a standby is handed over before it moves", "a b c",
			[]child{{Name: "k1", Want: 2, Exclusive: true, Current: fields("a b")}, {Name: "k2", Want: 2, Exclusive: true, Current: fields("a b")}},
			"k1: b a # balance replicas: a has 2, c has 0; handed over to b first\n",
		},
		{
			"actives are evened by changing places", "a b",
			[]child{{Name: "k1", Want: 2, Exclusive: true, Current: fields("a b")}, {Name: "k2", Want: 2, Exclusive: true, Current: fields("a b")}},
			"k1: b a # balance actives: a has 2, b has 0\n",
		},
		{
			"a node of twice the capacity holds twice as much", "a*2 b",
			[]child{{Name: "k1", Want: 1, Current: fields("a")}, {Name: "k2", Want: 1, Current: fields("a")}, {Name: "k3", Want: 1, Current: fields("b")}},
			"",
		},
		{"an active one on a draining node is handed over", "a! b c", []child{{Name: "k", Want: 2, Exclusive: true, Current: fields("a b")}}, "k: b a # a drains: handed over to b\n"},
		{"a passive one on a draining node is replaced", "a! b c", []child{{Name: "k", Want: 2, Exclusive: true, Current: fields("b a")}}, "k: b c # a drains: moved to c\n"},
		{"it is dropped if there is no other node", "a! b", []child{{Name: "k", Want: 2, Exclusive: true, Current: fields("b a")}}, "k: b # a drains: no other node may hold a replica\n"},
		{"a single one on a draining node moves", "a! b", []child{{Name: "k", Want: 1, Exclusive: true, Current: fields("a")}}, "k: a b (moving) # a drains: moving to b\n"},
		{"nothing moves when all nodes drain", "a! b!", []child{{Name: "k", Want: 2, Exclusive: true, Current: fields("a b")}}, ""},
		{
			"replicas leave a zone that they share", "a/x b/x c/y",
			[]child{{Name: "k", Want: 2, Exclusive: true, Current: fields("a b")}},
			"k: a c # zone \"x\" had 2 replicas: moved from b to c\n",
		},
		{"a child that is not ready is left alone", "a b c", []child{{Name: "k", Want: 2, Exclusive: true, Current: fields("a b"), Unready: fields("b")}}, ""},
		{"a node to avoid gets nothing", "a b", []child{{Name: "k1", Want: 1, Current: fields("a"), Avoid: fields("b")}, {Name: "k2", Want: 1, Current: fields("a"), Avoid: fields("b")}}, ""},
		{
			"load goes by way of a third node where it can't go straight", "a b c",
			[]child{
				{Name: "k1", Want: 1, Current: fields("a"), Avoid: fields("c")},
				{Name: "k2", Want: 1, Current: fields("a"), Avoid: fields("c")},
				{Name: "k3", Want: 1, Current: fields("b"), Avoid: fields("a")},
			},
			"k1: a b (moving) # balance replicas: a has 2, b has 1\nk3: b c (moving) # balance replicas: b has 1, c has 0\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := show(placement.Balance(parseNodes(t, tc.nodes), tc.children, 10)); got != tc.want {
				t.Errorf("Balance:\n got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestBalance_KeepsItsBudget(t *testing.T) {
	t.Parallel()
	var children []placement.Child
	for i := range 100 {
		children = append(children, placement.Child{Name: fmt.Sprintf("k%03d", i), Want: 1, Current: []string{"a"}})
	}
	for _, budget := range []int{-1, 0, 1, 7, 1000} {
		got := len(placement.Balance(parseNodes(t, "a b"), children, budget))
		if want := min(max(budget, 0), 50); got != want {
			t.Errorf("with a budget of %d: %d plans, want %d", budget, got, want)
		}
	}
}

func TestPlans_DoNotDependOnTheOrderOfTheInput(t *testing.T) {
	t.Parallel()
	h := newHub(t, "a/x b/x c/y d/y*3", 300)
	want := show(placement.Repair(h.nodes, h.list()))
	slices.Reverse(h.nodes)
	list := h.list()
	slices.Reverse(list)
	if got := show(placement.Repair(h.nodes, list)); got != want {
		t.Errorf("Repair of the reversed input:\n%s\nwant:\n%s", got, want)
	}
	h.nodes = parseNodes(t, "b/x d/y*3 c/y")
	h.repair(t)
	h.nodes = parseNodes(t, "e/z b/x d/y*3 c/y")
	want = show(placement.Balance(h.nodes, h.list(), 50))
	list = h.list()
	slices.Reverse(list)
	slices.Reverse(h.nodes)
	if got := show(placement.Balance(h.nodes, list, 50)); got != want || got == "" {
		t.Errorf("Balance of the reversed input:\n%s\nwant:\n%s", got, want)
	}
}
