package adversary

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/phub-io/phub/protocol"
)

const (
	oneIn       = 40      // bursts, one is a flood
	largeIn     = 60      // bursts, one is a large message
	floodBytes  = 1 << 20 // in all of one flood
	floodLength = 500     // messages of one flood, at most
)

// Generator draws messages. It is used by one goroutine.
type Generator struct {
	rnd    *rand.Rand
	world  World
	corpus *Corpus
	rows   []Row          // as often as they weigh
	keys   *protocol.Keys // its own, of one incarnation after the other
	self   string         // the present one
	mutator
	// sparedFor counts the messages that were drawn and are not sent, by the reason.
	sparedFor map[string]int
}

// New returns a generator of a seed, for some rows of those that there are. The corpus may grow while it is used.
func New(seed uint64, w World, c *Corpus, rows []Row) *Generator {
	rnd := rand.New(rand.NewPCG(seed, 0))
	g := &Generator{
		keys: protocol.NewKeys(noise{rnd}),
		rnd:  rnd, world: w, corpus: c, sparedFor: map[string]int{},
		mutator: mutator{rnd: rnd, corpus: c, most: w.MaxPayload},
	}
	g.self = g.keys.NewID()
	for _, r := range rows {
		g.rows = append(g.rows, slices.Repeat([]Row{r}, r.weight)...)
	}
	return g
}

// Next returns the next messages, which are to be sent without a pause between them: one, or a flood.
func (g *Generator) Next() []Message {
	for {
		m := g.message()
		if why := spared(g.world, m); why != "" {
			g.sparedFor[why]++
			continue
		}
		if m.Row == crowd {
			return g.crowd(m.Subject)
		}
		if m.flood() && g.rnd.IntN(oneIn) == 0 {
			n := max(1, min(floodLength, floodBytes/(len(m.Data)+1)))
			return slices.Repeat([]Message{m}, n)
		}
		return []Message{m}
	}
}

// Spared returns how many messages were drawn and left out, by the reason.
func (g *Generator) Spared() map[string]int { return maps.Clone(g.sparedFor) }

// flood reports whether a message may come in floods: not what a bucket keeps, because a hub that is to
// overwrite each foreign value is at work for as long as they come.
func (m Message) flood() bool { return !strings.HasPrefix(m.Subject, "$KV.") }

func (g *Generator) message() Message {
	row := g.rows[g.rnd.IntN(len(g.rows))]
	m := Message{Row: row.Name, Subject: g.subject(row), Data: g.data(row)}
	m.Header = g.header(row, m.Subject)
	switch {
	case row.Bucket():
		m = g.stored(m)
	default:
		m.Reply = g.reply()
	}
	if most := g.world.MaxPayload - headerBytes(m.Header); len(m.Data) > most {
		m.Data = m.Data[:most]
	}
	return m
}

// stored makes some of a bucket's messages deletes and purges of the key, and has some values expire.
func (g *Generator) stored(m Message) Message {
	switch g.rnd.IntN(8) {
	case 0:
		m.Header, m.Data = map[string][]string{"KV-Operation": {"DEL"}}, nil
	case 1:
		m.Header, m.Data = map[string][]string{"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}}, nil
	case 2:
		m.Header = map[string][]string{"Nats-TTL": {"1s"}}
	}
	return m
}

func (g *Generator) data(row Row) []byte {
	if g.rnd.IntN(largeIn) == 0 {
		return g.oversized(1 + g.rnd.IntN(g.world.MaxPayload))
	}
	switch g.rnd.IntN(10) {
	case 0, 1, 2:
		return g.mutate(g.verbatim(row.Name))
	case 3:
		return g.verbatim(row.Name)
	case 4:
		rows := Rows()
		return g.mutate(g.verbatim(rows[g.rnd.IntN(len(rows))].Name))
	case 5:
		return g.mutate(g.forge(row))
	case 6:
		return g.junk(g.rnd.IntN(256))
	case 7:
		return g.oversized(1 + g.rnd.IntN(1024))
	}
	return g.forge(row)
}

// subject fills in what varies in a row's subject: mostly with names that exist.
func (g *Generator) subject(row Row) string {
	tokens := strings.Split(strings.ReplaceAll(row.subject, "<hub>", g.world.Hub), ".")
	bucket := ""
	for i, t := range tokens {
		if !strings.HasPrefix(t, "<") {
			continue
		}
		tokens[i] = g.fill(t, bucket)
		if i < len(tokens)-1 {
			tokens[i] = strings.ReplaceAll(tokens[i], ".", "-")
		}
		if t == "<bucket>" {
			bucket = tokens[i]
		}
	}
	return strings.Join(tokens, ".")
}

func (g *Generator) fill(what, bucket string) string {
	if g.rnd.IntN(10) == 0 {
		return g.oddName()
	}
	switch what {
	case "<child>":
		return g.anyChild()
	case "<node>":
		return g.node()
	case "<name>":
		return []string{"hub", g.node(), g.child()}[g.rnd.IntN(3)]
	case "<verb>":
		return pick(g, "start", "update", "stop", "move", "ls", "info", "nodes", "status", "drain", "set")
	case "<type>":
		return pick(g, "node_joined", "node_lost", "child_moved", "bad_entry", "coordinator_changed")
	case "<bucket>":
		return pick(g, "nodes", "children", "placement", "state")
	case "<server>":
		return fmt.Sprint(g.known("server", "N"))
	case "<what>":
		return pick(g, "PING", "INFO", "STATS", "PING.phub", "INFO.phub", "STATS.phub")
	}
	switch bucket { // a key
	case "nodes":
		return g.node()
	case "children":
		return g.anyChild()
	}
	return pick(g, "_view", "_view", "_config", g.anyChild(), g.anyChild())
}

func (g *Generator) anyChild() string {
	if g.rnd.IntN(5) == 0 {
		return g.mob()
	}
	return g.child()
}

// oddName is a name that NATS takes in a subject, and that is not valid, is reserved, or nobody has.
func (g *Generator) oddName() string {
	return pick(g, "stranger", "_", "_view", "$", "ä", "a=b/c", "\x1b[2J", strings.Repeat("x", 1+g.rnd.IntN(300)), "a.b.c.d.e.f.g", "%00", `"`)
}

func pick(g *Generator, names ...string) string { return names[g.rnd.IntN(len(names))] }
