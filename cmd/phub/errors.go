package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
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

// errSilent makes the exit code 1 when all that is to be said has been printed.
var errSilent = errors.New("")

// errConnect is in each error of opening a connection.
var errConnect = errors.New("connect to NATS")

// tries says what to try after an error that callers can recognise.
var tries = []struct {
	is  error
	try string
}{
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
	{fisk.ErrExpectedKnownCommand, "phub --help"},
	{fisk.ErrSubCommandRequired, "phub --help, or phub COMMAND --help"},
	{errConnect, "--server nats://HOST:PORT (NATS_URL), or another --context"}, // if nothing above says more
}

// explain returns what to print of an error, and what to try.
func explain(err error) (message, try string) {
	if errors.Is(err, errSilent) {
		return "", ""
	}
	if problem, ok := errors.AsType[*phub.Problem](err); ok && problem.Try != "" {
		return problem.Message, problem.Try
	}
	if h, ok := errors.AsType[hint](err); ok {
		return err.Error(), h.try
	}
	for _, t := range tries {
		if errors.Is(err, t.is) {
			return err.Error(), t.try
		}
	}
	_, wrong := errors.AsType[usageError](err)
	switch {
	case wrong:
		return err.Error(), "phub COMMAND --help"
	case errors.Is(err, context.DeadlineExceeded):
		return err.Error(), "a longer --timeout"
	}
	return err.Error(), ""
}
