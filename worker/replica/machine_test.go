package replica_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// TestMachine_Scenarios runs the files of testdata. Each command is one event, given at the time of
// "at" (kept until another one is given); the answer lists the actions and what the machine is then.
func TestMachine_Scenarios(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newScenario()
		datadriven.RunTest(t, path, s.run)
	})
}

type scenario struct {
	now   time.Duration
	until time.Duration
	m     replica.Machine
}

func (s *scenario) Until() int64 { return int64(s.until) }

func newScenario() *scenario {
	s := &scenario{until: time.Hour}
	limits := replica.Limits{}.WithDefaults()
	s.m = replica.New(s, &limits)
	return s
}

func (s *scenario) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	if at := arg(d, "at"); at != "" {
		s.now = parse(t, at)
	}
	switch d.Cmd {
	case "lease":
		s.until = parse(t, arg(d, "until"))
	case "look":
	default:
		return s.step(t, s.event(t, d))
	}
	return s.state()
}

func (s *scenario) step(t *testing.T, e replica.Event) string {
	t.Helper()
	if e.String() == "" {
		t.Errorf("%T has no text", e)
	}
	var b strings.Builder
	for _, a := range s.m.Step(int64(s.now), e) {
		fmt.Fprintln(&b, a)
	}
	return b.String() + s.state()
}

func (s *scenario) state() string {
	door := [...]string{"refuse", "hold", "serve"}[s.m.Door(int64(s.now))]
	out := fmt.Sprintf("= %s, %s, door %s", s.m.Role(), s.m.Life(), door)
	if door == "refuse" {
		out += " (" + s.m.Why(int64(s.now)) + ")"
	}
	out += fmt.Sprintf(", settled %t", s.m.Settled())
	if w := s.m.Wake(); w != 0 {
		out += fmt.Sprintf(", wake %v", time.Duration(w))
	}
	if f := s.m.Failure(); f != nil {
		out += fmt.Sprintf("\nfailed ended=%t: %s", f.Ended, f.Err)
	}
	return out + "\n"
}

func (s *scenario) event(t *testing.T, d *datadriven.TestData) replica.Event {
	t.Helper()
	run, err := num(d, "run"), arg(d, "err")
	switch d.Cmd {
	case "assign":
		return replica.Assigned{Assignment: assignment(d), Reset: has(d, "reset")}
	case "void":
		return replica.Voided{}
	case "started":
		return replica.Started{Run: run}
	case "start-failed":
		return replica.StartFailed{Run: run, Err: err, Final: has(d, "final")}
	case "ended":
		return replica.Ended{Run: run, Err: err}
	case "stopped":
		return replica.Stopped{Run: run}
	case "release-asked":
		return replica.ReleaseAsked{View: num(d, "view")}
	case "released":
		return replica.Released{Node: arg(d, "node"), View: num(d, "view")}
	}
	return connEvent(t, d)
}

func connEvent(t *testing.T, d *datadriven.TestData) replica.Event {
	t.Helper()
	switch d.Cmd {
	case "trust":
		return replica.TrustGained{}
	case "distrust":
		return replica.TrustLost{Reason: "test"}
	case "attach":
		return replica.Attached{Conn: num(d, "conn")}
	case "detach":
		return replica.Detached{}
	case "opened":
		return replica.Opened{Conn: num(d, "conn"), OK: !has(d, "fail")}
	case "closed":
		return replica.Closed{Conn: num(d, "conn"), OK: !has(d, "fail")}
	case "refused":
		return replica.Refused{Conn: num(d, "conn"), Err: arg(d, "err")}
	case "drained":
		return replica.Drained{Work: has(d, "work")}
	case "tick":
		return replica.Tick{}
	}
	t.Fatalf("unknown command %q", d.Cmd)
	return nil
}

func assignment(d *datadriven.TestData) protocol.Assignment {
	a := protocol.Assignment{Child: "c", View: num(d, "view"), Assigned: !has(d, "none")}
	if !a.Assigned {
		return a
	}
	a.SpecRev = max(num(d, "spec"), 1)
	a.Spec = &protocol.Spec{Child: "c", Restart: protocol.Restart{
		Policy: protocol.RestartPolicy(arg(d, "policy")), Max: 2, Within: protocol.Duration(10 * time.Second),
	}}
	a.Mode, a.Epoch, a.Reason = protocol.Passive, num(d, "epoch"), arg(d, "reason")
	if has(d, "active") {
		a.Mode = protocol.Active
	}
	if after := arg(d, "after"); after != "" {
		a.After = strings.Split(after, "+")
	}
	return a
}

func has(d *datadriven.TestData, key string) bool { return d.HasArg(key) }

func arg(d *datadriven.TestData, key string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return ""
}

func num(d *datadriven.TestData, key string) uint64 {
	n, _ := strconv.ParseUint(arg(d, key), 10, 64)
	if n == 0 && (key == "run" || key == "conn") {
		return 1
	}
	return n
}

func parse(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
