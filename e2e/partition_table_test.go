//go:build linux && e2e

package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/phub-io/phub/internal/worstcase"
	"github.com/phub-io/phub/protocol"
)

// worst is a worst case of docs/failover.md.
type worst struct {
	formula string // as docs/partitions.md names it; empty for no time at all
	limit   func(protocol.Config) time.Duration
}

// of returns what the formula gives for a hub.
func (w worst) of(c protocol.Config) time.Duration {
	if w.formula == "" {
		return 0
	}
	return w.limit(c)
}

// What the formulas take for what is not an option of the hub, on a machine that does everything at once.
const (
	write = 100 * time.Millisecond // W and C
	trip  = 10 * time.Millisecond  // R
	rank  = 50 * time.Millisecond
)

var (
	leaseEnds  = leaseWith(write, trip)
	pledgesEnd = worst{"K", func(c protocol.Config) time.Duration {
		return takes(c, sides, "coordinator hangs or is cut off", write, trip) + rank
	}}
	// Too few are left to give the coordinator up, as in a hub of two nodes. Two candidates are lost with it.
	authorityEnds = worst{"A", func(c protocol.Config) time.Duration {
		return takes(c, 2, "coordinator hangs or is cut off", write, trip) + 2*rank
	}}
	// A record that the lost leader passed on may become valid with the election.
	electionAuthorityEnds = worst{"EA", func(c protocol.Config) time.Duration {
		c.Lease = c.Authority
		return electionEnds.of(c)
	}}
	electionEnds = worst{"E", func(c protocol.Config) time.Duration {
		return takes(c, sides, "NATS server and a node on one machine", write, trip)
	}}
)

// and is the worst case of something that begins when this is over.
func (w worst) and(next worst) worst {
	return worst{w.formula + " + " + next.formula, func(c protocol.Config) time.Duration { return w.of(c) + next.of(c) }}
}

// takes evaluates a formula of docs/failover.md for a hub of some nodes.
func takes(c protocol.Config, nodes int, fault string, write, trip time.Duration) time.Duration {
	d := worstcase.Deployment{Config: c, Nodes: nodes, Servers: sides, Asked: true, RoundTrip: trip, Write: write}
	for _, x := range d.Cases() {
		if x.Fault == fault {
			return x.Takes
		}
	}
	panic("found no worst case of: " + fault)
}

// leaseWith is the worst case of a node that is silent, with W and R of a network.
func leaseWith(write, trip time.Duration) worst {
	return worst{"L", func(c protocol.Config) time.Duration { return takes(c, sides, "node hangs or is cut off", write, trip) }}
}

// oneMore is the worst case of a node whose heartbeat may still get through when the fault has begun.
var oneMore = worst{"heartbeat + L", func(c protocol.Config) time.Duration { return c.Heartbeat.Std() + leaseEnds.of(c) }}

// far is the worst case where servers are far from nodes or from each other: a write needs two round trips.
func far(delay time.Duration) worst { return leaseWith(write+4*delay, trip+4*delay) }

// untold is for frames that are lost by chance, and for servers that are heard of now and then: how long
// that lasts is up to TCP and to NATS's elections, and no formula says it.
var untold = worst{"no formula", func(protocol.Config) time.Duration { return 30 * time.Second }}

// row is what was seen of one fault.
type row struct {
	group, name, holds                     string
	before, during, healed                 string        // the node that serves child1
	rejoined                               time.Duration // until the side's node was a member again, while the fault lasted; 0 if that was not waited for
	worst                                  worst
	limit, seen, elsewhere, settled, after time.Duration
	minority                               time.Duration // for how long the side's client was served on; -1 if it was not cut off
	replaced                               time.Duration // until there was another coordinator; 0 if there was none
	runs                                   int
}

// String returns the row in Markdown.
func (r row) String() string {
	formula := "none"
	switch r.worst.formula {
	case "":
	case untold.formula:
		formula = untold.formula
	default:
		formula = r.worst.formula + " = " + seconds(r.limit)
	}
	during := r.during
	if r.rejoined != 0 {
		during += ", member again after " + seconds(r.rejoined)
	}
	minority := "–"
	if r.minority >= 0 {
		minority = seconds(r.minority)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %d |", r.name, r.holds, r.before, during, r.healed,
		formula, seconds(r.seen), seconds(r.elsewhere), minority, orNone(r.replaced), seconds(r.settled), seconds(r.after), r.runs)
}

// orNone is a time as the table shows it, if there is one.
func orNone(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return seconds(d)
}

const tableHead = `| fault | side had | served by | during | healed | nobody serves | seen | other children | cut client served for | new coordinator | settled | gap then | runs |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

// seconds is a time as the table shows it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// rows collects the worst that was seen in all runs of this process.
type rows struct {
	mu  sync.Mutex
	all []row
}

var table rows

func (r *rows) add(group string, x row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x.group, x.runs = group, 1
	for i, y := range r.all {
		if y.name == x.name && y.holds == x.holds {
			r.all[i] = worse(y, x)
			return
		}
	}
	r.all = append(r.all, x)
}

// worse is the worst of both.
func worse(a, b row) row {
	for _, f := range []struct{ of, or *time.Duration }{
		{&a.seen, &b.seen},
		{&a.elsewhere, &b.elsewhere},
		{&a.settled, &b.settled},
		{&a.after, &b.after},
		{&a.replaced, &b.replaced},
		{&a.rejoined, &b.rejoined},
		{&a.minority, &b.minority},
	} {
		*f.of = max(*f.of, *f.or)
	}
	a.before, a.during, a.healed = eitherOf(a.before, b.before), eitherOf(a.during, b.during), eitherOf(a.healed, b.healed)
	a.runs++
	return a
}

// eitherOf says both if they differ.
func eitherOf(a, b string) string {
	if slices.Contains(strings.Split(a, " or "), b) {
		return a
	}
	return a + " or " + b
}

// write shows the table, and writes it into the file that PHUB_E2E_NETWORK_TABLE names, between two marks.
func (r *rows) write(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.all, func(a, b row) int { return cmp.Compare(groups(a.group), groups(b.group)) })
	var b strings.Builder
	b.WriteString(tableHead)
	for _, x := range r.all {
		fmt.Fprintln(&b, x)
	}
	t.Logf("\n%s", b.String())
	if path := os.Getenv("PHUB_E2E_NETWORK_TABLE"); path != "" {
		if err := replaceTable(path, b.String()); err != nil {
			t.Error(err)
		}
	}
}

// groups is the order of the tests in the table.
func groups(name string) int {
	return slices.Index([]string{"TestPartition_Nodes", "TestPartition_Servers", "TestPartition_Company", "TestPartition_Pings", "TestPartition_Links"}, name)
}

func replaceTable(path, text string) error {
	const begin, end = "<!-- measured -->\n", "<!-- end -->\n"
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, found := bytes.Cut(data, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return fmt.Errorf("%s: found no lines %q and %q, between which the table goes", path, begin, end)
	}
	return os.WriteFile(path, []byte(string(head)+begin+text+end+string(tail)), 0o644)
}
