package main

import (
	"context"
	"fmt"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/worstcase"
)

func (a *app) addDoctor(cli *fisk.Application) {
	cmd := cli.Command("doctor", "Say what this NATS gives a hub, and how long failures take at most (read-only)").Action(a.does(a.doctor))
	cmd.HelpLong("Tries with connections of its own, at each server of the cluster, and touches nothing of the hub: whether the servers say that a connection " +
		"is closed, report it, and close one on demand. Then it says which worst cases follow for the hub's " +
		"options, by the formulas of docs/failover.md, and what to change. Without a hub it takes the defaults. " +
		"Run it with the nodes' credentials: what they may do counts. Exit code 1 says that something must be changed.")
}

// assumedWrite is what a write to a stream is taken for: doctor writes nothing.
const assumedWrite = 10 * time.Millisecond

// doctorStatus bounds the wait for the hub's own word.
const doctorStatus = 3 * time.Second

// diagnosis is all that is known of a deployment.
type diagnosis struct {
	hub    string
	x      *phub.Examination
	status *phub.Status // nil: there is no hub, or it doesn't answer
	err    error        // why it doesn't answer
}

func (a *app) doctor(ctx context.Context) error {
	domain, err := a.conn.domain()
	if err != nil {
		return err
	}
	ctx, cancel := a.deadline(ctx)
	defer cancel()
	d := diagnosis{hub: a.hub}
	client, end, err := a.client(ctx)
	if err != nil {
		return err
	}
	defer end()
	if d.x, err = phub.Examine(ctx, a.hub, domain, func(opts ...nats.Option) (*nats.Conn, error) { return a.conn.connect(opts...) }); err != nil {
		return err
	}
	if len(d.x.Buckets) > 0 {
		ask, cancel := context.WithTimeout(ctx, doctorStatus)
		defer cancel()
		if st, err := client.Status(ask); err == nil {
			d.status = &st
		} else {
			d.err = err
		}
	}
	return a.tell(&d)
}

// tell prints a diagnosis. It returns an error if something must be changed.
func (a *app) tell(d *diagnosis) error {
	r := d.report()
	var err error
	if a.json {
		err = a.printJSON(r)
	} else {
		a.doctorScreen(r)
	}
	if err == nil && !r.OK {
		err = errSilent
	}
	return err
}

// doctorReport is a diagnosis for people and programs.
type doctorReport struct {
	Hub       string       `json:"hub"`
	OK        bool         `json:"ok"`
	Checks    []check      `json:"checks"`
	RoundTrip float64      `json:"round_trip_ms"`
	Closed    float64      `json:"closed_ms,omitempty"`
	Reported  float64      `json:"reported_ms,omitempty"`
	Kicked    float64      `json:"kicked_ms,omitempty"`
	Config    phub.Config  `json:"config"`
	Nodes     int          `json:"nodes"`
	Worst     []worstFault `json:"worst_cases"`
}

type worstFault struct {
	Fault   string  `json:"fault"`
	Takes   float64 `json:"takes_ms,omitempty"` // none: until somebody acts
	Formula string  `json:"formula"`
}

func (d *diagnosis) report() *doctorReport {
	r := &doctorReport{Hub: d.hub, OK: true, Checks: d.checks(), RoundTrip: millis(d.x.RoundTrip)}
	r.Closed, r.Reported, r.Kicked = after(d.x.Closed), after(d.x.Reported), after(d.x.Kicked)
	for _, c := range r.Checks {
		r.OK = r.OK && c.Result != resultWrong
	}
	r.Config, r.Nodes = d.options()
	deployment := worstcase.Deployment{
		Config: r.Config, Nodes: r.Nodes, Servers: d.x.Servers, Asked: d.x.Closed.Err == nil, Kick: d.x.Kicked.Err == nil,
		RoundTrip: d.x.RoundTrip, Write: assumedWrite, Dial: d.x.Dial,
	}
	r.Worst = []worstFault{}
	if d.x.JetStream != nil {
		return r // there can be no hub
	}
	for _, c := range deployment.Cases() {
		r.Worst = append(r.Worst, worstFault{c.Fault, millis(c.Takes), c.Formula})
	}
	return r
}

// assumedNodes is how many nodes a hub is taken for that isn't there.
const assumedNodes = 3

func (d *diagnosis) options() (phub.Config, int) {
	if d.status == nil {
		return phub.Config{}.WithDefaults(), assumedNodes
	}
	return d.status.Config, d.status.Nodes
}

func after(f phub.Finding) float64 {
	if f.Err != nil {
		return 0
	}
	return millis(f.After)
}

// legend says what the symbols in the formulas are.
const legend = "\nn: other nodes; W: a write; C: a commit under way; R: a round trip; E: election of a stream's leader; T: a try without an answer."

// doctorScreen prints a report for people.
func (a *app) doctorScreen(r *doctorReport) {
	colours := map[string]int{resultOK: green, resultNote: yellow, resultWrong: red}
	t := &table{}
	for _, c := range r.Checks {
		t.add(a.paint(colours[c.Result], c.Result), c.Found)
		if c.Try != "" {
			t.add("", "  "+c.Try)
		}
	}
	t.print(a.out)
	if len(r.Worst) == 0 {
		return
	}
	a.printf("\n")
	t = newTable("WORST CASE", "TAKES", "FORMULA")
	for _, w := range r.Worst {
		t.add(w.Fault, takesText(w.Takes), w.Formula)
	}
	t.print(a.out)
	of := "hub " + r.Hub
	if r.Nodes == 0 || !r.served() {
		of = fmt.Sprintf("a hub with the defaults and %d nodes", assumedNodes)
	}
	a.printf(legend + "\n")
	a.printf("For %s; W and C are taken as %v, R is %s. Formulas: docs/failover.md.\n", of, assumedWrite, takesText(r.RoundTrip))
}

func (r *doctorReport) served() bool {
	for _, c := range r.Checks {
		if c.Name == checkHub {
			return c.Result == resultOK
		}
	}
	return false
}

func takesText(ms float64) string {
	switch {
	case ms == 0:
		return "-"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}
