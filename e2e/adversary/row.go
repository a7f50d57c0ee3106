package adversary

import (
	"strings"
)

// Row is one row of the tables of docs/wire.md: a subject, or the keys of a bucket.
type Row struct {
	// Name is what the page calls it: "req.<child>", "phub._sys.disconnect", "phub_<hub>_nodes".
	Name string
	// subject is all of it, with what varies in angle brackets.
	subject string
	// weight is how often it is drawn, in relation to the others.
	weight int
}

// Bucket reports whether it is a bucket's.
func (r Row) Bucket() bool { return strings.HasPrefix(r.subject, "$KV.") }

// crowd is a row's subject under a name of its own: see Generator.crowd.
const crowd = "int.coord.beat: a crowd"

// Rows returns all that the adversary writes to, in the order of docs/wire.md.
func Rows() []Row {
	return []Row{
		{"req.<child>", "phub.<hub>.req.<child>", 2},
		{"cmd.<child>", "phub.<hub>.cmd.<child>", 1},
		{"mode.<child>", "phub.<hub>.mode.<child>", 1},
		{"event.<type>.<name>", "phub.<hub>.event.<type>.<name>", 1},
		{"ctl.<verb>", "phub.<hub>.ctl.<verb>", 3},
		{"int.coord.beat", "phub.<hub>.int.coord.beat", 3},
		{crowd, "phub.<hub>.int.coord.beat", 1},
		{"int.coord.ctl.<verb>", "phub.<hub>.int.coord.ctl.<verb>", 3},
		{"int.node.<node>.probe", "phub.<hub>.int.node.<node>.probe", 1},
		{"int.node.<node>.wake", "phub.<hub>.int.node.<node>.wake", 1},
		{"int.node.<node>.release", "phub.<hub>.int.node.<node>.release", 3},
		{republished, "phub.<hub>.int.kv.<bucket>.<key>", 4},
		{"phub._sys.disconnect", "phub._sys.disconnect", 1},
		{"phub._sys.kick.<server>", "phub._sys.kick.<server>", 1},
		{"phub_<hub>_nodes", "$KV.phub_<hub>_nodes.<node>", 3},
		{"phub_<hub>_children", "$KV.phub_<hub>_children.<child>", 3},
		{"phub_<hub>_placement", "$KV.phub_<hub>_placement.<key>", 3},
		// The service's own subjects, which are NATS's and stand in no table.
		{"$SRV.<what>", "$SRV.<what>", 1},
	}
}

// RowOf returns the row that a subject of a hub belongs to; false if none.
func RowOf(hub, subject string) (Row, bool) {
	for _, r := range Rows() {
		if match(strings.Split(strings.ReplaceAll(r.subject, "<hub>", hub), "."), strings.Split(subject, ".")) {
			return r, true
		}
	}
	return Row{}, false
}

// match reports whether tokens fit a pattern, whose last token fits any number of them if it varies.
func match(pattern, tokens []string) bool {
	for i, p := range pattern {
		varies := strings.HasPrefix(p, "<")
		switch {
		case i >= len(tokens):
			return false
		case varies && i == len(pattern)-1:
			return true
		case !varies && p != tokens[i]:
			return false
		}
	}
	return len(pattern) == len(tokens)
}

// Message is one message, as a NATS client publishes it.
type Message struct {
	Row     string // its row's name
	Subject string
	Reply   string
	Header  map[string][]string
	Data    []byte
}

// World is what the adversary knows of the hub that it attacks. It must not change any more.
type World struct {
	Hub      string
	Nodes    []string
	Children []string // those whose requests must be answered all the while
	// Mob are names of children that the adversary may start and stop.
	Mob []string
	// Kind is the one that the Mob is of.
	Kind       string
	MaxPayload int // bytes, at least 1024
	// Inbox is where the adversary's own inboxes begin, without a final dot.
	Inbox string
	// Replies are reply subjects to which phub must not answer, besides those that follow from the hub.
	Replies []string
}
