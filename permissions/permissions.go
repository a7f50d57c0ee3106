// Package permissions has the NATS permissions of those who deal with a hub: four lists, which `phub permissions`
// prints and docs/wire.md shows. A list has what its holder needs, and nothing else.
//
// Whoever waits for answers has an inbox of its own, under a prefix that it connects with (nats.CustomInboxPrefix in
// Go, --inbox-prefix of the nats and phub commands, inbox_prefix in a NATS context). All inboxes of a hub are
// under "_INBOX_<hub>", and a node may answer nowhere else. So no list needs allow_responses, which would let a request choose
// any subject of the account for its answer.
package permissions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// List is the name of a list of permissions.
type List string

// The lists. Of joins those of somebody who does several things.
const (
	// Asks is for who sends requests to children.
	Asks List = "asks"
	// Operates is for who starts, stops, moves and looks up children.
	Operates List = "operates"
	// Watches is for who looks on: modes, events and placements. It publishes nothing.
	Watches List = "watches"
	// Node is for the hub's nodes. Any of them may become the coordinator, so all have its rights.
	Node List = "node"
)

// Lists are the names of all lists.
var Lists = []List{Asks, Operates, Watches, Node}

// Options say for whom a list is. Only Hub is needed.
type Options struct {
	// Hub is the hub's name.
	Hub string
	// InboxPrefix is what the user's own inboxes begin with, without a final dot. Users with one prefix can
	// read each other's answers. Defaults to "_INBOX_<hub>." and the lists' names with "-" between; for nodes that is
	// the prefix that they use when they are given none. It may have templates of NATS's scoped signing keys, such as {{name()}}.
	InboxPrefix string
	// ClientInboxes are prefixes of inboxes to which nodes may answer beside "_INBOX_<hub>": those of clients
	// that can't be given a prefix of their own ("_INBOX" for NATS's default). Nothing but the list of nodes has them.
	ClientInboxes []string
	// Domain is the JetStream domain that the nodes are told to use; empty if they are told none. Nothing but the list of nodes
	// depends on it.
	Domain string
	// NoCreate leaves out the right to make the hub's buckets, which nodes need until all three exist.
	NoCreate bool
	// System adds what nodes use of the system account, if the hub's account imports it.
	System bool
}

// Permissions are subjects that a user may publish and subscribe to. An empty field allows nothing: beware that
// NATS takes an empty list to allow everything.
type Permissions struct {
	InboxPrefix string   `json:"inbox_prefix"`
	Publish     []string `json:"publish"`
	Subscribe   []string `json:"subscribe"`
}

// Of returns what the lists allow together. A *protocol.FieldError says what is wrong with the options, or with a list's name.
func Of(o Options, lists ...List) (Permissions, error) {
	if err := o.validate(lists); err != nil {
		return Permissions{}, err
	}
	p := Permissions{InboxPrefix: o.InboxPrefix, Publish: []string{}, Subscribe: []string{}}
	if p.InboxPrefix == "" {
		p.InboxPrefix = protocol.InboxPrefix(o.Hub, joined(lists))
	}
	for _, l := range lists {
		l.add(&p, o)
	}
	if slices.ContainsFunc(lists, List.hears) {
		p.Subscribe = slices.Insert(p.Subscribe, 0, p.InboxPrefix+".>")
	}
	return p, nil
}

func joined(lists []List) string {
	names := make([]string, len(lists))
	for i, l := range lists {
		names[i] = string(l)
	}
	return strings.Join(names, "-")
}

// hears reports whether somebody with the list waits for answers.
func (l List) hears() bool { return l != Watches }

func (l List) add(p *Permissions, o Options) {
	s := protocol.SubjectsOf(o.Hub)
	switch l {
	case Asks:
		p.Publish = append(p.Publish, s.Request(">"))
	case Operates:
		p.Publish = append(p.Publish, s.Control(">"))
	case Watches:
		p.Subscribe = append(p.Subscribe, s.Watch()...)
		p.Subscribe = append(p.Subscribe, s.Stored(protocol.PlacementBucket, ">"))
	case Node:
		p.Publish = append(p.Publish, publishedByNodes(o, s)...)
		p.Subscribe = append(p.Subscribe, s.Request(">"), s.Control(">"), s.Internal())
		p.Subscribe = append(p.Subscribe, service...)
		if o.System {
			p.Subscribe = append(p.Subscribe, protocol.DisconnectSubject)
		}
	}
}

// connections is how a node asks whether a connection of its account is open. Every account has it.
const connections = "$SYS.REQ.ACCOUNT.PING.CONNZ"

// service is where NATS services are looked for: all of them, those of phub's name, and one node.
var service = []string{"$SRV.*", "$SRV.*.phub", "$SRV.*.phub.*"}

func publishedByNodes(o Options, s protocol.Subjects) []string {
	subjects := jetStream(o, "")
	if o.Domain != "" {
		subjects = append(subjects, jetStream(o, o.Domain)...)
	}
	subjects = append(subjects, s.ToCoordinator(), s.ToNodes())
	subjects = append(subjects, s.Watch()...)
	subjects = append(subjects, connections, protocol.HubInboxes(o.Hub)+".>")
	for _, prefix := range o.ClientInboxes {
		subjects = append(subjects, prefix+".>")
	}
	if o.System {
		subjects = append(subjects, protocol.KickSubject("*"))
	}
	return subjects
}

// jetStream returns what reads and writes the buckets in a domain. Nodes that are told a domain need both forms: a server in that domain
// takes the domain out of a subject before it looks what the user may do, and others do not.
func jetStream(o Options, domain string) []string {
	subjects := []string{protocol.JetStreamAPI(domain) + "INFO"}
	for _, b := range protocol.Buckets {
		subjects = append(subjects, bucketOf(b, o, domain)...)
	}
	return subjects
}

// bucketOf returns what reads and writes one bucket.
func bucketOf(b protocol.Bucket, o Options, domain string) []string {
	api, stream := protocol.JetStreamAPI(domain), "KV_"+b.Name(o.Hub)
	subjects := []string{api + "STREAM.INFO." + stream}
	if !o.NoCreate {
		subjects = append(subjects, api+"STREAM.CREATE."+stream)
	}
	return append(
		subjects,
		api+"STREAM.MSG.GET."+stream,
		api+"CONSUMER.CREATE."+stream+".*."+b.Keys(o.Hub)+">",
		api+"CONSUMER.MSG.NEXT."+stream+".*",
		api+"CONSUMER.DELETE."+stream+".*",
		b.WriteKeys(o.Hub, domain)+">",
	)
}

const maxPrefix = 128 // bytes: a subject closes the connection of who sends it if it is too long

func (o *Options) validate(lists []List) error {
	if err := protocol.ValidateHub(o.Hub); err != nil {
		return err
	}
	if err := protocol.ValidateDomain(o.Domain); err != nil {
		return err
	}
	if len(lists) == 0 {
		return &protocol.FieldError{Field: "list", Found: "none", Allowed: "one or more of " + allLists()}
	}
	for i, l := range lists {
		if !slices.Contains(Lists, l) || slices.Contains(lists[:i], l) {
			return &protocol.FieldError{Field: "list", Found: fmt.Sprintf("%.80q", l), Allowed: "each once of " + allLists()}
		}
	}
	if o.InboxPrefix != "" {
		if err := validatePrefix("inbox_prefix", o.InboxPrefix); err != nil {
			return err
		}
		if nodes := protocol.NodeInboxes(o.Hub); !slices.Equal(lists, []List{Node}) && hasNodeInboxes(o.InboxPrefix) {
			return &protocol.FieldError{Field: "inbox_prefix", Found: o.InboxPrefix, Allowed: "a prefix of the user's own, such as " + protocol.InboxPrefix(o.Hub, "alice") + ": " + nodes + " is the nodes', and so in other hubs"}
		}
	}
	for _, prefix := range o.ClientInboxes {
		if err := validatePrefix("client_inboxes", prefix); err != nil {
			return err
		}
	}
	return nil
}

// hasNodeInboxes reports whether a prefix has inboxes of the nodes of any hub.
func hasNodeInboxes(prefix string) bool {
	hub, rest, _ := strings.Cut(prefix, ".")
	who, _, _ := strings.Cut(rest, ".")
	return strings.HasPrefix(hub, protocol.HubInboxes("")) && (who == "" || protocol.InboxPrefix("", who) == protocol.NodeInboxes(""))
}

func allLists() string { return strings.ReplaceAll(joined(Lists), "-", ", ") }

// validatePrefix says what is wrong with a prefix of inboxes.
func validatePrefix(field, prefix string) error {
	first, _, _ := strings.Cut(prefix, ".")
	ok := len(prefix) <= maxPrefix && !slices.Contains(strings.Split(prefix, "."), "") && first != "phub" && !strings.HasPrefix(first, "$")
	for _, c := range prefix {
		ok = ok && c > ' ' && c < 0x7f && !strings.ContainsRune(`*>"'\`, c)
	}
	if !ok {
		return &protocol.FieldError{Field: field, Found: fmt.Sprintf("%.80q", prefix), Allowed: fmt.Sprintf("up to %d characters: tokens with single dots between, without wildcards, blanks and quotes; not under phub or $", maxPrefix)}
	}
	return nil
}
