package adversary

import (
	"fmt"
	"strconv"
	"strings"
)

// Forbidden returns subjects to which phub answers nobody: those by which NATS or a hub is told to do something.
func (w World) Forbidden() []string {
	prefix := "phub." + w.Hub + "."
	return append([]string{
		prefix + "req." + w.Children[0],
		prefix + "mode." + w.Children[0],
		prefix + "event.child_stopped." + w.Children[0],
		prefix + "ctl.stop",
		prefix + "int.coord.beat",
		prefix + "int.coord.ctl.stop",
		prefix + "int.node." + w.Nodes[0] + ".release",
		prefix + "int.node." + w.Nodes[0] + ".wake",
		prefix + "int.kv.placement._view",
		"phub._sys.disconnect",
		"$KV.phub_" + w.Hub + "_placement._view",
		"$KV.phub_" + w.Hub + "_nodes." + w.Nodes[0],
		"$JS.API.STREAM.PURGE.KV_phub_" + w.Hub + "_children",
		"$JS.API.STREAM.DELETE.KV_phub_" + w.Hub + "_placement",
		"$SRV.PING",
		"$SYS.REQ.ACCOUNT.PING.CONNZ",
	}, w.Replies...)
}

// reply returns where the answer is to go.
func (g *Generator) reply() string {
	switch g.rnd.IntN(4) {
	case 0:
		return fmt.Sprintf("%s.%d", g.world.Inbox, g.rnd.IntN(1000))
	case 1:
		all := g.world.Forbidden()
		return all[g.rnd.IntN(len(all))]
	case 2:
		return g.oddName()
	}
	return ""
}

// header returns forged headers: mostly those that the row's readers look at.
func (g *Generator) header(row Row, subject string) map[string][]string {
	if row.Name == republished && g.rnd.IntN(5) > 0 {
		return g.republished(strings.Split(subject, ".")[4])
	}
	if g.rnd.IntN(4) > 0 {
		return nil
	}
	names := []string{
		"Phub-Node", "Phub-Epoch", "Nats-Service-Error-Code", "Nats-Service-Error", "Status", "Nats-Msg-Id",
		"Nats-Stream", "Nats-Sequence", "Nats-Subject", "Nats-Marker-Reason", "X-" + strings.Repeat("h", g.rnd.IntN(100)),
	}
	values := []string{"", "503", "-1", "18446744073709551616", g.node(), g.child(), "MaxAge", strings.Repeat("v", g.rnd.IntN(2000))}
	h := map[string][]string{}
	for range 1 + g.rnd.IntN(3) {
		name := names[g.rnd.IntN(len(names))]
		if row.Bucket() && name == "Nats-Marker-Reason" {
			continue // the server refuses it
		}
		h[name] = append(h[name], values[g.rnd.IntN(len(values))])
	}
	return h
}

// republished is the row of what the streams of buckets repeat.
const republished = "int.kv.<bucket>.<key>"

// republished returns the headers of a record that a bucket's stream repeats: of one that is long past, that
// comes next, that may come soon, or that never will.
func (g *Generator) republished(bucket string) map[string][]string {
	h := map[string][]string{
		"Nats-Stream":   {"KV_phub_" + g.world.Hub + "_" + bucket},
		"Nats-Subject":  {"$KV.phub_" + g.world.Hub + "_" + bucket + "." + g.anyChild()},
		"Nats-Sequence": {strconv.FormatUint(g.sequence(bucket), 10)},
	}
	if g.rnd.IntN(6) == 0 {
		h["KV-Operation"] = []string{pick(g, "DEL", "PURGE", "nonsense")}
	}
	if g.rnd.IntN(10) == 0 {
		h["Nats-Sequence"] = []string{pick(g, "", "0", "-1", "1e3", "18446744073709551616", "x")}
	}
	return h
}

func (g *Generator) sequence(bucket string) uint64 {
	if g.rnd.IntN(3) == 0 {
		return far[g.rnd.IntN(len(far))]
	}
	steps := []uint64{0, 1, 2, 3, 100, 1000}
	return g.corpus.last[bucket] + steps[g.rnd.IntN(len(steps))]
}

func headerBytes(h map[string][]string) int {
	if len(h) == 0 {
		return 0
	}
	n := len("NATS/1.0\r\n\r\n")
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	return n
}
