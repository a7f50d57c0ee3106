package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

// check is one thing that was looked at.
type check struct {
	Name   string `json:"name"`
	Result string `json:"result"`
	Found  string `json:"found"`
	Try    string `json:"try,omitempty"`
}

// The results: as it should be, could be better, must be changed.
const (
	resultOK    = "ok"
	resultNote  = "note"
	resultWrong = "WRONG"
)

// The checks.
const (
	checkNATS      = "nats"
	checkJetStream = "jetstream"
	checkStorage   = "storage"
	checkTrouble   = "trouble"
	checkBuckets   = "buckets"
	checkEvidence  = "evidence"
	checkReports   = "reports"
	checkKick      = "kick"
	checkPings     = "pings"
	checkHub       = "hub"
)

func (d *diagnosis) checks() []check {
	all := []check{d.checkNATS(), d.checkJetStream()}
	if d.x.JetStream == nil {
		all = append(all, d.checkStorage()...)
		all = append(all, d.checkBuckets()...)
	}
	all = append(all, d.checkTrouble()...)
	return append(all, d.checkEvidence(), d.checkReports(), d.checkKick(), d.checkPings(), d.checkHub())
}

func (d *diagnosis) checkNATS() check {
	x := d.x
	found := fmt.Sprintf("nats-server %s, %s", x.Version, plural(x.Servers, "server", "servers"))
	if x.Cluster != "" {
		found += " in cluster " + x.Cluster
	}
	found += ", round trip " + takesText(millis(x.RoundTrip))
	switch {
	case len(x.Tried) < x.Servers:
		return check{
			checkNATS, resultNote, found + "; tried at " + strings.Join(x.Tried, ", ") + " only",
			"the others may be configured differently: run this again with NATS_URL naming them",
		}
	case x.Servers >= 3:
		return check{checkNATS, resultOK, found + "; tried at each", ""}
	}
	return check{checkNATS, resultNote, found + ": none may be lost", "three servers survive the loss of one: docs/nats.md#streams-and-servers"}
}

// at names the servers that differ from others.
func at(f phub.Finding) string {
	if len(f.At) == 0 {
		return ""
	}
	return " at " + strings.Join(f.At, ", ")
}

func (d *diagnosis) checkJetStream() check {
	switch {
	case errors.Is(d.x.JetStream, phub.ErrNoQuorum):
		return check{checkJetStream, resultWrong, "JetStream has no leader: too few of the cluster's servers are there (" + oneLine(d.x.JetStream) + ")", "bring back the NATS servers that are down"}
	case errors.Is(d.x.JetStream, context.DeadlineExceeded):
		return check{checkJetStream, resultWrong, "JetStream does not answer: it may have no leader, because too few of the cluster's servers are there", "bring back the NATS servers that are down"}
	case d.x.JetStream != nil:
		found, try := new(app).explain(d.x.JetStream)
		return check{checkJetStream, resultWrong, "JetStream: " + found, cmp.Or(try, "enable JetStream, on nats-server 2.12 or later, for this account")}
	}
	return check{checkJetStream, resultOK, "JetStream, with atomic batches", ""}
}

func (d *diagnosis) checkBuckets() []check {
	if len(d.x.Buckets) == 0 {
		return nil
	}
	var wrong []check
	want := min(d.x.Servers, 3)
	for _, b := range d.x.Buckets {
		bad := func(found, try string) { wrong = append(wrong, check{checkBuckets, resultWrong, found, try}) }
		switch {
		case b.Err != nil:
			bad(b.Err.Error(), "")
		case b.Leader == "":
			bad(fmt.Sprintf("bucket %s has no leader: it takes no writes", b.Bucket), "bring back the NATS servers that are down")
		case len(b.Behind) > 0:
			bad(fmt.Sprintf("bucket %s: %s behind or offline", b.Bucket, strings.Join(b.Behind, ", ")), "wait, or bring back those NATS servers")
		case b.Kept < b.Replicas:
			bad(fmt.Sprintf("bucket %s is kept by %s, and is configured for %d: a server was taken away from it, and NATS does not replace it", b.Bucket, plural(b.Kept, "server", "servers"), b.Replicas),
				fmt.Sprintf("nats stream edit KV_%s --replicas %d, then the same with %d", b.Bucket, max(b.Replicas-1, 1), b.Replicas))
		case b.Replicas < want:
			bad(fmt.Sprintf("bucket %s is kept by %s of %d", b.Bucket, plural(b.Replicas, "server", "servers"), d.x.Servers),
				fmt.Sprintf("nats stream edit KV_%s --replicas %d", b.Bucket, want))
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return []check{{checkBuckets, resultOK, fmt.Sprintf("buckets of hub %s: each kept by %s, all of them current", d.hub, plural(d.x.Buckets[0].Kept, "server", "servers")), ""}}
}

func (d *diagnosis) checkEvidence() check {
	err := errors.Join(d.x.Open, d.x.Closed.Err)
	if err == nil {
		return check{checkEvidence, resultOK, fmt.Sprintf("servers say that a connection is closed: %s after it was", takesText(after(d.x.Closed))), ""}
	}
	return check{
		checkEvidence, resultWrong, "servers don't say" + at(d.x.Closed) + " whether a connection is open (" + oneLine(err) + "): a killed process is replaced after its lease only",
		"let the user publish to $SYS.REQ.ACCOUNT.PING.CONNZ: docs/wire.md#permissions",
	}
}

func (d *diagnosis) checkReports() check {
	if d.x.Reported.Err == nil {
		return check{checkReports, resultOK, fmt.Sprintf("servers report closed connections: %s after", takesText(after(d.x.Reported))), ""}
	}
	return check{checkReports, resultNote, "servers report no closed connections" + at(d.x.Reported) + ": nodes find them by probes", "docs/nats.md#access-to-the-system-account"}
}

func (d *diagnosis) checkKick() check {
	config, _ := d.options()
	fast := config.Failover == phub.FailoverFast
	switch err := d.x.Kicked.Err; {
	case err == nil && fast:
		return check{checkKick, resultOK, fmt.Sprintf("servers close a connection on demand: %s after", takesText(after(d.x.Kicked))), ""}
	case err == nil:
		return check{
			checkKick, resultOK, fmt.Sprintf("servers close a connection on demand: %s after; this hub does not use it", takesText(after(d.x.Kicked))),
			"",
		}
	case fast:
		return check{
			checkKick, resultWrong, "the hub has failover fast, and servers close no connection on demand" + at(d.x.Kicked) + " (" + oneLine(err) + "): who hangs is replaced after its lease only",
			"docs/nats.md#access-to-the-system-account",
		}
	default:
		without := "failover fast would change nothing"
		if len(d.x.Kicked.At) > 0 {
			without = "failover fast would change nothing while the coordinator is connected there"
		}
		return check{checkKick, resultNote, "servers close no connection on demand" + at(d.x.Kicked) + ": " + without, "docs/nats.md#access-to-the-system-account"}
	}
}

func (d *diagnosis) checkPings() check {
	const try = "docs/nats.md#pings"
	config, _ := d.options()
	switch err := d.x.Patience.Err; {
	case err == nil:
		return check{checkPings, resultOK, fmt.Sprintf("a client that answers no pings stays connected for %v or more", protocol.Contact), ""}
	case errors.Is(err, phub.ErrGivenUp) && config.Failover != phub.FailoverStrict:
		return check{checkPings, resultWrong, oneLine(err) + at(d.x.Patience) + ": a node that hangs may be replaced while it still trusts itself", "a longer ping_interval, or failover strict: " + try}
	default:
		return check{checkPings, resultNote, "how long a client may leave pings unanswered" + at(d.x.Patience) + ": " + oneLine(err), try}
	}
}

func (d *diagnosis) checkHub() check {
	switch {
	case d.x.JetStream != nil:
		return check{checkHub, resultNote, "hub " + d.hub + ": not looked for", ""}
	case len(d.x.Buckets) == 0:
		return check{checkHub, resultNote, "hub " + d.hub + " is not there", "phub node run --hub " + d.hub + " makes it; phub hub ls shows others"}
	case errors.Is(d.err, phub.ErrDenied):
		return check{checkHub, resultNote, "hub " + d.hub + ": this user may not ask for its status", "a user with the list operates: phub permissions --help"}
	case errors.Is(d.err, phub.ErrNotStored):
		return check{checkHub, resultWrong, "hub " + d.hub + " can't act: " + oneLine(d.err), troubleTry}
	case d.status == nil:
		return check{checkHub, resultWrong, "hub " + d.hub + ": no node answers (" + oneLine(d.err) + ")", "start its nodes: phub node run --hub " + d.hub}
	}
	c := &d.status.Config
	found := fmt.Sprintf("hub %s: %s, failover %s, heartbeat %v, lease %v, authority %v, probe %v", d.hub,
		plural(d.status.Nodes, "node", "nodes"), c.Failover, c.Heartbeat.Std(), c.Lease.Std(), c.Authority.Std(), c.Probe.Std())
	return check{checkHub, resultOK, found, ""}
}

func oneLine(err error) string {
	if err == nil {
		return "unknown"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
