package adversary

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// far are views and sequences at which a follower could wait for ever.
var far = []uint64{1 << 53, math.MaxInt64, math.MaxUint64}

// forge returns what the row's readers take for real, as far as its form goes.
func (g *Generator) forge(row Row) []byte {
	switch row.Name {
	case "int.node.<node>.release":
		return g.release()
	case "ctl.<verb>", "int.coord.ctl.<verb>":
		return g.control()
	case "int.coord.beat":
		return g.beat()
	case "phub._sys.disconnect":
		return g.disconnect()
	case "phub._sys.kick.<server>":
		return fmt.Appendf(nil, `{"cid":%v}`, g.known("client", 1+g.rnd.IntN(100)))
	case republished:
		return g.verbatim([]string{"phub_<hub>_nodes", "phub_<hub>_children", "phub_<hub>_placement"}[g.rnd.IntN(3)])
	}
	return g.verbatim(row.Name)
}

// verbatim returns what was sent to a row before: a replay, and in a bucket a record that is restored.
func (g *Generator) verbatim(row string) []byte {
	had := g.corpus.rows[row]
	if len(had) == 0 {
		return []byte(`{"v":1}`)
	}
	return slices.Clone(had[g.rnd.IntN(len(had))].Data)
}

// known returns a value that a field had, or another if it was never seen.
func (g *Generator) known(field string, otherwise any) any {
	if had := g.corpus.fields[field]; len(had) > 0 {
		return had[g.rnd.IntN(len(had))]
	}
	return otherwise
}

// number returns a number near one that a field had, or far from all.
func (g *Generator) number(field string) uint64 {
	if g.rnd.IntN(4) == 0 {
		return far[g.rnd.IntN(len(far))]
	}
	n, err := strconv.ParseUint(fmt.Sprint(g.known(field, "1")), 10, 64)
	if err != nil {
		n = 1
	}
	return n + uint64(g.rnd.IntN(4))
}

// release asks a node to let go of children, by views that are real, that may come, or that never will.
func (g *Generator) release() []byte {
	r := protocol.ReleaseRequest{V: 1, From: g.node(), ID: g.incarnation(), Number: g.number("number")}
	if g.rnd.IntN(20) == 0 { // as many as fit
		for i := range g.world.MaxPayload / 64 {
			r.Children = append(r.Children, protocol.Release{Child: fmt.Sprintf("nobody.%d.%d", g.rnd.IntN(1000), i), View: far[0]})
		}
	}
	for range 1 + g.rnd.IntN(3) {
		r.Children = append(r.Children, protocol.Release{Child: g.child(), View: g.number("view")})
	}
	return g.signed(protocol.SubjectsOf(g.world.Hub).Release(g.node()), &r)
}

// incarnation is one that a real node had, one that there never was, or its own, which it can sign as.
func (g *Generator) incarnation() string {
	switch g.rnd.IntN(4) {
	case 0:
		return g.uuid()
	case 1:
		if g.rnd.IntN(20) == 0 {
			g.self = g.keys.NewID()
		}
		return g.self
	}
	return fmt.Sprint(g.known("incarnation", "x"))
}

// signed returns what nodes would send each other, with its own signature, whoever the message names, or without any.
func (g *Generator) signed(subject string, m protocol.Message) []byte {
	var signer protocol.Signer
	if g.rnd.IntN(4) > 0 {
		signer = asAnybody{g.keys}
	}
	data, err := protocol.EncodeSigned(signer, subject, m)
	if err != nil {
		panic(err) // strings and whole numbers
	}
	return data
}

// asAnybody signs in anybody's name, with a key of its own.
type asAnybody struct{ keys *protocol.Keys }

func (a asAnybody) SignAs(_ string, text []byte) string { return a.keys.Sign(text) }

// noise is what keys are made from.
type noise struct{ rnd *rand.Rand }

func (n noise) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(n.rnd.Uint32())
	}
	return len(p), nil
}

// waits are what control requests ask to be waited for.
var waits = []string{"1ms", "1s", "5m", "1h"}

// control returns a request of one of the verbs, whichever the subject has.
func (g *Generator) control() []byte {
	q := map[string]any{"wait": waits[g.rnd.IntN(len(waits))]}
	switch g.rnd.IntN(7) {
	case 6:
		q["config"], q["revision"] = map[string]any{pick(g, "lease", "authority", "heartbeat", "balance", "id"): pick(g, "1s", "1ms", "off")}, g.number("revision")
	case 0:
		q["children"] = []any{g.spec(g.mob())}
	case 5:
		q["children"] = []any{map[string]any{"spec": g.spec(pick(g, g.mob(), g.child())), "revision": g.number("spec")}}
	case 1:
		q["children"] = []string{g.mob()}
	case 2:
		q["child"], q["node"] = g.child(), g.node()
	case 3:
		q["filter"], q["limit"] = []string{"", ">", "*", "a.>.b"}[g.rnd.IntN(4)], g.rnd.IntN(2000)
	default:
		q["child"] = strings.Repeat("x", g.rnd.IntN(g.world.MaxPayload/2))
	}
	return encode(q)
}

// spec is one of the Mob's kind, or of one that nobody has, sometimes with an arg.
func (g *Generator) spec(child string) map[string]any {
	s := map[string]any{"child": child, "kind": g.world.Kind}
	if g.rnd.IntN(3) == 0 {
		s["kind"] = unknownKind
	}
	if g.rnd.IntN(3) == 0 {
		s["args"] = map[string]string{"a": fmt.Sprint(g.rnd.IntN(3))}
	}
	return s
}

// beat is a heartbeat by somebody who does not exist, of a real node's former self, or in a living node's name.
func (g *Generator) beat() []byte {
	b := protocol.Beat{
		V: 1, Number: g.number("number"), Status: []protocol.Status{protocol.Up, protocol.Left, protocol.Draining}[g.rnd.IntN(3)],
		View: g.number("view"), Conn: protocol.Conn{Server: fmt.Sprint(g.known("server", "N")), Client: g.number("client")},
	}
	b.Node, b.ID = fmt.Sprintf("stranger%d", g.rnd.IntN(4)), g.incarnation()
	if g.rnd.IntN(2) == 0 {
		b.Node = g.node()
	}
	b.Pledge = protocol.Pledge{ID: fmt.Sprint(g.known("incarnation", "")), Number: g.number("number")}
	b.Report.Settled = g.number("settled")
	return g.signed(protocol.SubjectsOf(g.world.Hub).Beat(), &b)
}

// crowd is heartbeats of nodes of which nobody has heard, each of another one, over connections that nobody has.
func (g *Generator) crowd(subject string) []Message {
	all := make([]Message, floodLength)
	for i := range all {
		b := protocol.Beat{V: 1, Number: 1, Status: protocol.Up, View: g.number("view")}
		b.Node, b.ID = fmt.Sprintf("crowd-%x", g.rnd.Uint64()), g.uuid()
		switch g.rnd.IntN(3) {
		case 0:
			b.Conn = protocol.Conn{Server: fmt.Sprint(g.known("server", "N")), Client: 1 << 40}
		case 1:
			b.Conn = protocol.Conn{Server: strings.Repeat("N", 1+g.rnd.IntN(64)), Client: g.rnd.Uint64()}
		}
		all[i] = Message{Row: crowd, Subject: subject, Reply: g.reply(), Data: encode(b)}
	}
	return all
}

// disconnect is a server's word that a node's connection was closed.
func (g *Generator) disconnect() []byte {
	return encode(map[string]any{
		"server": map[string]any{"id": g.known("server", "N")},
		"client": map[string]any{"id": g.known("client", 1), "name": "phub " + g.world.Hub + " " + g.node()},
	})
}

func (g *Generator) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", g.rnd.Uint32(), g.rnd.UintN(1<<16), g.rnd.UintN(1<<12), g.rnd.UintN(1<<12), g.rnd.Uint64N(1<<48))
}

func (g *Generator) node() string  { return g.world.Nodes[g.rnd.IntN(len(g.world.Nodes))] }
func (g *Generator) child() string { return g.world.Children[g.rnd.IntN(len(g.world.Children))] }
func (g *Generator) mob() string   { return g.world.Mob[g.rnd.IntN(len(g.world.Mob))] }

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and whole numbers
	}
	return data
}
