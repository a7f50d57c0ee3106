package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/coordinator"
)

// SetupError says how NATS, or one of the hub's buckets, differs from what phub needs: a person must act. It
// is a coordinator.ErrPermanent.
type SetupError struct {
	Found    string
	Expected string
	Try      string
	Err      error // the cause, if it came from NATS
}

// Error returns one line: what was found, what was expected, what to try.
func (e *SetupError) Error() string {
	return fmt.Sprintf("found %s, expected %s; try: %s", e.Found, e.Expected, e.Try)
}

// Is reports whether target is coordinator.ErrPermanent.
func (e *SetupError) Is(target error) bool { return target == coordinator.ErrPermanent }

// Unwrap returns the cause.
func (e *SetupError) Unwrap() error { return e.Err }

// Codes of JetStream's errors.
const (
	codeWrongLastSequence  jetstream.ErrorCode = 10071
	codeSequenceInFlight   jetstream.ErrorCode = 10164 // another write to this key is on its way: passes
	codeBatchIncomplete    jetstream.ErrorCode = 10176 // the batch was given up, nothing of it is stored
	codeTooManyBatches     jetstream.ErrorCode = 10210
	codeUnavailable        jetstream.ErrorCode = 10008 // the servers elect a leader, or too few of them are there
	codeBatchesOff         jetstream.ErrorCode = 10174 // the stream does not take batches
	codeStoreFailed        jetstream.ErrorCode = 10077 // a limit of the stream, or the disk
	codeMessageTooLarge    jetstream.ErrorCode = 10054 // for the stream
	codeNoMessage          jetstream.ErrorCode = 10037
	codeStreamNotFound     jetstream.ErrorCode = 10059
	codeNameInUse          jetstream.ErrorCode = 10058
	codeCreateFailed       jetstream.ErrorCode = 10049 // for a moment while a deleted stream of that name is removed
	codeNoReplicas         jetstream.ErrorCode = 10074 // replicas on a server without a cluster
	codeNoPeers            jetstream.ErrorCode = 10005 // not enough servers in the cluster
	codeNotEnabledAccount  jetstream.ErrorCode = 10039
	codeNotEnabled         jetstream.ErrorCode = 10076
	codeAccountExceeded    jetstream.ErrorCode = 10002
	codeStorageExceeded    jetstream.ErrorCode = 10047
	codeMaximumStreams     jetstream.ErrorCode = 10027
	codeConsumerNotAllowed jetstream.ErrorCode = 10026
)

func codeOf(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode
	}
	var js jetstream.JetStreamError
	if errors.As(err, &js) && js.APIError() != nil {
		return js.APIError().ErrorCode
	}
	return 0
}

// portError says in the ports' words what err means.
func portError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: %w", coordinator.ErrNoResponders, err)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrBadSubscription),
		errors.Is(err, nats.ErrInvalidConnection):
		return fmt.Errorf("%w: %w", coordinator.ErrClosed, err)
	case codeOf(err) == codeWrongLastSequence:
		return fmt.Errorf("%w: %w", coordinator.ErrConflict, err)
	}
	return err
}

// ErrNoQuorum is in an error when JetStream answers that it has no leader: too few of a cluster's servers are there.
var ErrNoQuorum = errors.New("phub: JetStream has no leader")

// setupError says what a refusal while the buckets were made or read means, and what to try.
func setupError(what string, err error) error {
	switch codeOf(err) {
	case codeNotEnabledAccount:
		return &SetupError{"an account without JetStream", "JetStream enabled for the account", "add `jetstream: enabled` to the account in the NATS server's configuration (or its limits with nsc)", err}
	case codeNotEnabled:
		return &SetupError{"a NATS server without JetStream", "JetStream enabled", "start the server with `nats-server -js`", err}
	case codeAccountExceeded, codeStorageExceeded, codeMaximumStreams:
		return &SetupError{fmt.Sprintf("%s: %v", what, err), "room for three small streams", "raise the account's JetStream limits (`nats account info` shows them), or remove streams", err}
	case codeConsumerNotAllowed:
		return &SetupError{fmt.Sprintf("%s: %v", what, err), "a bucket that may have consumers", "nats stream edit <stream> --max-consumers=-1", err}
	}
	if _, ok := errors.AsType[*SetupError](err); ok {
		return err
	}
	if codeOf(err) == codeUnavailable {
		return fmt.Errorf("%s: %w: %w", what, ErrNoQuorum, err)
	}
	return fmt.Errorf("%s: %w", what, portError(err))
}

// dialError says what to try if the servers refuse the login. Other errors are as who dialled made them.
func dialError(err error) error {
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired),
		errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return &SetupError{fmt.Sprintf("a NATS server that refuses these credentials (%v)", err), "a user that it knows", "check --creds, --user, --nkey, or the context (`nats context ls`)", err}
	}
	return err
}

func deniedError(err error) error {
	return &SetupError{fmt.Sprintf("a user without permission (%v)", err), "the permissions of a phub node", "grant the user that subject; `phub permissions node` prints all that a node needs", err}
}

func isPassing(c jetstream.ErrorCode) bool {
	return c == codeSequenceInFlight || c == codeBatchIncomplete || c == codeTooManyBatches
}

// bounded gives ctx a deadline if it has none, so that nothing waits for ever.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultTimeout)
}
