package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

// usageError is an error of whoever wrote the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hint is an error with what to try.
type hint struct {
	error
	try string
}

func (h hint) Unwrap() error { return h.error }

// lasting is a hint that a node need not wait with: it won't pass by itself.
type lasting struct{ hint }

func (l lasting) Unwrap() error { return l.hint }

func (lasting) Is(target error) bool { return target == phub.ErrPermanent }

// wrongValue is what a flag's value was found to be. fisk puts the flag's name before it.
type wrongValue struct{ found, want string }

func (w wrongValue) Error() string { return fmt.Sprintf("found %q, want %s", w.found, w.want) }

// parseError returns what fisk says of a command line, with flags as they are typed.
func parseError(err error) error {
	if h, ok := errors.AsType[hint](err); ok {
		return h
	}
	if _, ok := errors.AsType[wrongValue](err); ok {
		return usageError{fmt.Errorf("--%w", err)}
	}
	return usageError{err}
}

// inFlags says what was found wrong with a field by the flag that gave it, if there is one. It is for what
// stands on the command line: a field of an answer may be wrong, too, and that is nobody's usage.
func inFlags(err error, flags map[string]string) error {
	field, ok := errors.AsType[*protocol.FieldError](err)
	if !ok {
		return err
	}
	if flag := flags[field.Field]; flag != "" {
		return usagef("%s: found %s, want %s", flag, field.Found, field.Allowed)
	}
	return usageError{err}
}

// errSilent makes the exit code 1 when all that is to be said has been printed.
var errSilent = errors.New("")

// errConnect is in each error of opening a connection.
var errConnect = errors.New("connect to NATS")

// tries says what to try after an error that callers can recognise.
var tries = []struct {
	is  error
	try string
}{
	{phub.ErrDenied, "another user; phub permissions --help says which lists allow what"},
	{phub.ErrNoChild, "phub child ls"},
	{phub.ErrNoActive, "phub status, and phub child info CHILD"},
	{phub.ErrHandler, "phub child info CHILD, and the log of the node that answered"},
	{phub.ErrNoAnswer, "a longer --timeout; --idempotent, if the request may be handled twice"},
	{phub.ErrNoHub, "phub hub ls; or start a node: phub node run --hub HUB"},
	{phub.ErrUntold, "nothing: the others take over when this node's lease has run out"},
	{phub.ErrNoCoordinator, "the same again in some seconds, or with a longer --timeout; phub status"},
	{nats.ErrNoServers, "another --server (NATS_URL) or --context; or start one: phub dev"},
	{nats.ErrAuthorization, "other credentials: --creds, --user, --nkey, --token or --context"},
	{nats.ErrNkeysNotSupported, "another server (--server, NATS_URL): this one asks for no nkey; or leave out --nkey, the context or the creds"},
	{nats.ErrMaxPayload, "a shorter payload; the NATS server's max_payload (1 MB by default) bounds it"},
	{nats.ErrTLS, "--tlsca with the authority of the server's certificate; --tlscert and --tlskey, if it asks for one of yours"},
	{nats.ErrAuthExpired, "new credentials: these have expired"},
	{errConnect, "--server nats://HOST:PORT (NATS_URL), or another --context"}, // if nothing above says more
}

// explain returns what to print of an error, and what to try.
func (a *app) explain(err error) (message, try string) {
	if errors.Is(err, errSilent) {
		return "", ""
	}
	if problem, ok := errors.AsType[*phub.Problem](err); ok && problem.Try != "" {
		return problem.Message, problem.Try
	}
	message = plain(err)
	if setup, ok := errors.AsType[*phub.SetupError](err); ok {
		return strings.Replace(message, "; try: "+setup.Try, "", 1), setup.Try
	}
	if h, ok := errors.AsType[hint](err); ok {
		return message, h.try
	}
	if denied, ok := errors.AsType[*phub.DeniedError](err); ok && denied.Inbox {
		return message, "--inbox-prefix (inbox_prefix in a NATS context) with the prefix of this user's permissions"
	}
	for _, t := range tries {
		if errors.Is(err, t.is) {
			return message, t.try
		}
	}
	_, wrong := errors.AsType[usageError](err)
	switch {
	case wrong:
		return message, a.help()
	case errors.Is(err, context.DeadlineExceeded):
		return message, "a longer --timeout"
	}
	return message, ""
}

// plain returns an error's text without the library's name, which its sentinels begin with.
func plain(err error) string {
	const library = "phub: "
	text := err.Error()
	for _, t := range tries {
		if rest, ok := strings.CutPrefix(t.is.Error(), library); ok && errors.Is(err, t.is) {
			text = strings.Replace(text, library+rest, rest, 1)
		}
	}
	return strings.TrimPrefix(text, library)
}

// help returns the call that shows how the command is used.
func (a *app) help() string {
	return strings.Join(strings.Fields("phub "+a.name+" --help"), " ")
}
