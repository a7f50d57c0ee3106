package coordinator

import (
	"context"
	"time"

	"github.com/phub-io/phub/coordinator/view"
)

// A server takes a connection with thousands of subscriptions apart for some milliseconds. Meanwhile it
// reports that it is closed, and nobody is found to listen, while it still lists it. So who is told that a
// suspect's connection is open asks again, after these times, before the suspicion is dropped. That a connection is closed
// is asked twice by the session itself.
var askAgainAfter = []time.Duration{
	2 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond,
}

// evidenceOf returns what a server says of a connection in the end. One that said that it is open in time has said so,
// whatever becomes of the questions after that one.
func evidenceOf(ctx context.Context, ask func(context.Context) (view.Evidence, error)) view.Evidence {
	said := view.Unknown
	for i := 0; ; i++ {
		evidence, err := ask(ctx)
		switch {
		case err != nil || evidence == view.Unknown:
			return said
		case evidence == view.Closed || i == len(askAgainAfter):
			return evidence
		}
		said = evidence
		select {
		case <-time.After(askAgainAfter[i]):
		case <-ctx.Done():
			return said
		}
	}
}
