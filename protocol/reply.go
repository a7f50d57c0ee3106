package protocol

import (
	"fmt"
	"strings"
)

// MaxReply is how long a reply subject may be, in bytes. A server closes the connection of a client that sends it a longer
// line than it takes (max_control_line, 4096 by default); another server, or one of a leaf node, may take longer ones.
const MaxReply = 512

// ValidateReply returns a *FieldError if a request's reply subject is none to which a node may answer. Whoever sends a
// request chooses it, and the answer goes there with the rights of the node, which are wider: a node that answered
// anywhere would write to streams and buckets, or take part in a hub, on the word of anybody who may ask.
// Refused are subjects under "$", which are NATS's own, those under "phub.", which are those of all hubs, and what is no
// subject for one message. All others may be inboxes.
func ValidateReply(subject string) error {
	const field = "reply"
	if len(subject) > MaxReply {
		return &FieldError{field, quoteLong(subject), fmt.Sprintf("at most %d bytes", MaxReply)}
	}
	if i := strings.IndexFunc(subject, func(c rune) bool { return c <= ' ' || c == 0x7f }); i >= 0 {
		return &FieldError{field, Quote(subject), "a subject without spaces and control characters"}
	}
	first, _, _ := strings.Cut(subject, ".")
	if strings.HasPrefix(first, "$") || first == prefixToken {
		return &FieldError{field, Quote(subject), fmt.Sprintf("an inbox, or another subject that begins neither with \"$\" nor with \"%s.\"", prefixToken)}
	}
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" || token == "*" || token == ">" {
			return &FieldError{field, Quote(subject), "a subject for one message, without empty tokens and wildcards"}
		}
	}
	return nil
}

// ValidateClientReply is ValidateReply for requests that others than nodes may send. It also refuses the inboxes of nodes:
// whoever named one would have a node answer what another node asked.
func ValidateClientReply(subject string) error {
	if hub, rest, _ := strings.Cut(subject, "."); strings.HasPrefix(hub, HubInboxes("")) {
		if who, _, _ := strings.Cut(rest, "."); InboxPrefix("", who) == NodeInboxes("") {
			return &FieldError{"reply", Quote(subject), "an inbox of the asker's own, not one of a node's"}
		}
	}
	return ValidateReply(subject)
}
