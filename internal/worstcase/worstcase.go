// Package worstcase evaluates the formulas of docs/failover.md: how long a hub takes at most to replace what
// fails, on a given deployment. A test holds that the page has the same formulas.
package worstcase

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// What is fixed: see docs/failover.md.
const (
	tick     = 26 * time.Millisecond
	ask      = 50 * time.Millisecond
	probe    = 5 * time.Millisecond // for each node
	twice    = 3 * time.Millisecond // between and after a server's two answers
	askWait  = 250 * time.Millisecond
	election = 9 * time.Second
	retry    = 3 * time.Second // T: what an attempt without an answer costs
	pledgers = 3               // members of a hub that give a coordinator up
)

// Deployment is what the formulas depend on.
type Deployment struct {
	Config    protocol.Config // complete
	Nodes     int             // members of the hub
	Servers   int             // NATS servers of the cluster
	Asked     bool            // servers say whether a connection is open
	Kick      bool            // servers close a connection on demand
	RoundTrip time.Duration   // R
	Write     time.Duration   // W: one write to a stream
	Dial      time.Duration   // a new connection
}

// Case is a fault, and how long it takes at most until it is over.
type Case struct {
	Fault   string
	Formula string
	Takes   time.Duration // 0: it is not over before somebody acts
}

func (d Deployment) proof(p time.Duration) time.Duration {
	return p + tick + ask + 4*d.RoundTrip + twice
}

func (d Deployment) kick() time.Duration {
	h := d.Config.Heartbeat.Std()
	return h + max(h/4, ask) + max(h/4, 2*ask) + 2*tick + 5*d.RoundTrip + twice
}

// answers reports whether servers say in time that a connection is closed.
func (d Deployment) answers() bool { return d.Asked && 2*d.RoundTrip+twice < askWait }

// fast reports whether whoever hangs is disconnected.
// heard is how many round trips it takes that a node's last record is read before its fence, and that the node which follows
// hears of the view and reads it.
const heard = 3

func (d Deployment) fast() bool {
	return d.Config.Failover == protocol.FailoverFast && d.Kick && d.answers()
}

func (d Deployment) proves() bool { return d.Config.Failover.Proves() && d.answers() }

// Cases returns what can fail, in the order of the page.
func (d Deployment) Cases() []Case {
	return []Case{d.nodeKilled(), d.nodeHangs(), d.coordinatorKilled(), d.coordinatorHangs(), d.serverDies(), d.serverAndNode(), d.serverAndCoordinator()}
}

func (d Deployment) nodeKilled() Case {
	if !d.proves() {
		c := d.silence()
		return Case{"process of a node killed", c.Formula, c.Takes}
	}
	takes := d.proof(max(d.Config.Probe.Std(), time.Duration(d.Nodes-1)*probe)) + 3*d.Write + heard*d.RoundTrip
	return Case{"process of a node killed", "proof(max(probe, n × 5 ms)) + C + 2W + 3R", takes}
}

// silence is how long a node without proof is waited for.
func (d Deployment) silence() Case {
	lease := d.Config.Lease.Std()
	return Case{"", "max(lease, ¾ lease + W) + tick + C + W + 3R", max(lease, lease*3/4+d.Write) + tick + 2*d.Write + heard*d.RoundTrip}
}

func (d Deployment) nodeHangs() Case {
	c := d.silence()
	c.Fault = "node hangs or is cut off"
	if takes := d.kick() + 3*d.Write + heard*d.RoundTrip; d.fast() && takes < c.Takes {
		c.Formula, c.Takes = "kick + C + 2W + 3R", takes
	}
	return c
}

func (d Deployment) coordinatorKilled() Case {
	if !d.proves() {
		c := d.coordinatorSilent()
		c.Fault = "process of the coordinator killed"
		return c
	}
	return Case{"process of the coordinator killed", "proof(probe) + rank × 50 ms + 2W + 3R", d.proof(d.Config.Probe.Std()) + 2*d.Write + heard*d.RoundTrip}
}

func (d Deployment) coordinatorSilent() Case {
	lease, authority := d.Config.Lease.Std(), d.Config.Authority.Std()
	if d.Nodes >= pledgers {
		return Case{"", "lease + 2 tick + 3W + 3R", lease + 2*tick + 3*d.Write + heard*d.RoundTrip}
	}
	return Case{"", "max(authority, ⅔ authority + W) + tick + W + 3R", max(authority, authority*2/3+d.Write) + tick + d.Write + heard*d.RoundTrip}
}

func (d Deployment) coordinatorHangs() Case {
	c := d.coordinatorSilent()
	c.Fault = "coordinator hangs or is cut off"
	if takes := d.kick() + 3*d.Write + heard*d.RoundTrip; d.fast() && takes < c.Takes {
		c.Formula, c.Takes = "kick + 3W + 3R", takes
	}
	return c
}

func (d Deployment) serverDies() Case {
	if d.Servers < 3 {
		return Case{"NATS server dies", "until it is back", 0}
	}
	return Case{"NATS server dies", "dial + 4R", d.Dial + 4*d.RoundTrip + tick}
}

func (d Deployment) serverAndNode() Case {
	if d.Servers < 3 {
		return Case{"NATS server and a node on one machine", "until it is back", 0}
	}
	return Case{
		"NATS server and a node on one machine", "E + max(lease, T) + tick + 2W + 3R",
		election + max(d.Config.Lease.Std(), retry) + tick + 2*d.Write + heard*d.RoundTrip,
	}
}

func (d Deployment) serverAndCoordinator() Case {
	const fault = "NATS server and the coordinator on one machine"
	c := d.serverAndNode()
	if c.Fault = fault; d.Servers < 3 || d.Nodes >= pledgers {
		return c
	}
	wait := max(d.Config.Authority.Std(), retry)
	return Case{fault, "E + max(authority, T) + tick + 2W + 3R", election + wait + tick + 2*d.Write + heard*d.RoundTrip}
}
