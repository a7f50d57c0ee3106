package protocol_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// parseView reads "10: a b@3 -c@1..7": members a since view 1 and b since view 3; c was one until view 7.
func parseView(t *testing.T, s string) *protocol.View {
	t.Helper()
	var v protocol.View
	number, rest, _ := strings.Cut(s, ":")
	scan(t, number, "%d", &v.Number)
	for f := range strings.FieldsSeq(rest) {
		name, since, ok := strings.Cut(strings.TrimPrefix(f, "-"), "@")
		in, from := protocol.Incarnation{Node: name, ID: name + "-" + since}, uint64(1)
		if f[0] == '-' {
			d := protocol.Departure{Incarnation: in}
			scan(t, since, "%d..%d", &d.Since, &d.Until)
			v.Gone = append(v.Gone, d)
			continue
		}
		if ok {
			scan(t, since, "%d", &from)
		}
		v.Members = append(v.Members, protocol.Member{Incarnation: in, Since: from})
	}
	return &v
}

func scan(t *testing.T, s, format string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscanf(s, format, into...); err != nil {
		t.Fatalf("read %q as %q: %v", s, format, err)
	}
}

func showRoles(roles []protocol.Role) string {
	var all []string
	for _, r := range roles {
		s := fmt.Sprintf("%s %s %d", r.Node, r.Mode, r.Epoch)
		if len(r.After) > 0 {
			s += " after " + strings.Join(r.After, " ")
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestDerive(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		view      string
		replicas  string // of an entry of view 5, epoch 4
		exclusive bool
		after     string
		want      string
	}{
		{"the first is active, the others passive", "5: a b c", "b a c", true, "", "b active 4, a passive 4, c passive 4"},
		{"all are active in active_active", "5: a b c", "b a c", false, "", "b active 4, a active 4, c active 4"},
		{"nobody is, where no replica lives", "9: c -a@1..8 -b@1..9", "a b", true, "", ""},
		{"an entry without replicas has no roles", "5: a", "", true, "", ""},
		{"the second follows in the view that lost the first", "9: b c -a@1..8", "a b c", true, "", "b active 8, c passive 8"},
		{"a later view changes nothing", "20: b c -a@1..8", "a b c", true, "", "b active 8, c passive 8"},
		{"the loss of a passive one is no new epoch", "9: a c -b@1..8", "a b c", true, "", "a active 4, c passive 4"},
		{"the third follows in the view that lost the last before it", "9: c -a@1..9 -b@1..7", "a b c", true, "", "c active 9"},
		{"which may be that of the second", "9: c -a@1..7 -b@1..9", "a b c", true, "", "c active 9"},
		{"a node that came back is not the one that the entry names", "9: a@8 b -a@1..7", "a b", true, "", "b active 7"},
		{"not even if it came back in the view that lost it", "9: a@8 b -a@1..8", "a b", true, "", "b active 8"},
		{"a passive one that came back has no role", "9: a b@8 c -b@1..7", "a b c", true, "", "a active 4, c passive 4"},
		{"a node that joined with the entry lives", "5: a@5 b", "a b", true, "", "a active 4, b passive 4"},
		{"earlier incarnations of a node do not count", "9: b -a@1..3 -a@4..8", "a b", true, "", "b active 8"},
		{"active_active keeps its epoch over a loss", "9: b c -a@1..8", "a b c", false, "", "b active 4, c active 4"},
		{"a successor waits for the one before it", "5: a b", "b a", true, "a", "b active 4 after a, a passive 4"},
		{"and for more than one", "5: a b c d", "b a", true, "a c d", "b active 4 after a c d, a passive 4"},
		{"but not for those that are gone", "9: b c -a@1..8", "b c", true, "a c", "b active 4 after c, c passive 4"},
		{"nor for those that came back", "9: a@8 b -a@1..7", "b", true, "a", "b active 4"},
		{"nor for itself", "9: a -b@1..8", "b a", true, "a", "a active 8"},
		{"the successor's successor waits too", "9: a c -b@1..8", "b c", true, "a", "c active 8 after a"},
		{"nobody waits in active_active", "5: a b", "b a", false, "a", "b active 4, a active 4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := protocol.Entry{View: 5, Epoch: 4, Exclusive: tc.exclusive, After: strings.Fields(tc.after)}
			for n := range strings.FieldsSeq(tc.replicas) {
				e.Replicas = append(e.Replicas, protocol.Replica{Node: n})
			}
			roles := protocol.Derive(parseView(t, tc.view), &e)
			if got := showRoles(roles); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			active := protocol.ActiveOf(roles)
			if (active == nil) != (tc.want == "") || active != nil && !reflect.DeepEqual(*active, roles[0]) {
				t.Errorf("ActiveOf: %+v", active)
			}
		})
	}
}

func TestView_HasOnlyThatIncarnation(t *testing.T) {
	t.Parallel()
	v := parseView(t, "9: a@8")
	if !v.Has(protocol.Incarnation{Node: "a", ID: "a-8"}) || v.Has(protocol.Incarnation{Node: "a", ID: "a-7"}) || v.Member("b") != nil {
		t.Errorf("wrong members in %+v", v)
	}
	var none *protocol.View
	if none.Member("a") != nil || none.Has(protocol.Incarnation{Node: "a"}) {
		t.Error("a view that is not there has members")
	}
}

func TestGroupOf_ChangesOnlyWhenSomebodyMayStillHoldTheOldGroup(t *testing.T) {
	t.Parallel()
	entry := protocol.Entry{
		View: 5, Epoch: 5, Group: 5, Exclusive: true,
		Replicas: []protocol.Replica{{Node: "a", Mode: protocol.Active}, {Node: "b", Mode: protocol.Passive}},
	}
	member := func(node string) protocol.Member {
		return protocol.Member{Incarnation: protocol.Incarnation{Node: node, ID: node}, Since: 1}
	}
	gone := func(node string, hung bool) []protocol.Departure {
		return []protocol.Departure{{Incarnation: protocol.Incarnation{Node: node, ID: node}, Since: 1, Until: 9, Hung: hung}}
	}
	shared, after := entry, entry
	shared.Exclusive = false
	after.Replicas, after.After = after.Replicas[1:], []string{"a"}
	for name, c := range map[string]struct {
		entry   protocol.Entry
		members []protocol.Member
		gone    []protocol.Departure
		want    uint64
	}{
		"nobody left":                        {entry, []protocol.Member{member("a"), member("b")}, nil, 5},
		"the active one died":                {entry, []protocol.Member{member("b")}, gone("a", false), 5},
		"the active one hung":                {entry, []protocol.Member{member("b")}, gone("a", true), 9},
		"a passive one hung":                 {entry, []protocol.Member{member("a")}, gone("b", true), 5},
		"the one to be followed hung":        {after, []protocol.Member{member("b")}, gone("a", true), 9},
		"one of several active ones hung":    {shared, []protocol.Member{member("b")}, gone("a", true), 5},
		"all hung, for whoever is next here": {entry, nil, gone("a", true), 9},
	} {
		v := &protocol.View{Number: 9, Members: c.members, Gone: c.gone}
		if got := protocol.GroupOf(v, &c.entry); got != c.want {
			t.Errorf("%s: found group %d, expected %d", name, got, c.want)
		}
	}
}
