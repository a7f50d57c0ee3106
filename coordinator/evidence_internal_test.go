package coordinator

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/coordinator/view"
)

const ms = time.Millisecond

func TestEvidenceOf_AsksAgainWhileTheConnectionIsListed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []view.Evidence
		want    view.Evidence
		asked   []time.Duration
	}{
		"closed at once":   {[]view.Evidence{view.Closed}, view.Closed, []time.Duration{0}},
		"closed the third": {[]view.Evidence{view.Open, view.Open, view.Closed}, view.Closed, []time.Duration{0, 2 * ms, 5 * ms}},
		"open":             {slices.Repeat([]view.Evidence{view.Open}, 7), view.Open, []time.Duration{0, 2 * ms, 5 * ms, 10 * ms, 15 * ms, 20 * ms, 30 * ms}},
		"then silent":      {[]view.Evidence{view.Open, view.Unknown}, view.Open, []time.Duration{0, 2 * ms}},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var asked []time.Duration
			got := evidenceOf(t.Context(), func(context.Context) (view.Evidence, error) {
				asked = append(asked, time.Since(began))
				return c.answers[len(asked)-1], nil
			})
			if got != c.want || !slices.Equal(asked, c.asked) {
				t.Errorf("%s: found %v, asked at %v; expected %v, at %v", name, got, asked, c.want, c.asked)
			}
		})
	}
}

func TestEvidenceOf_AnErrorProvesNothing(t *testing.T) {
	t.Parallel()
	got := evidenceOf(t.Context(), func(context.Context) (view.Evidence, error) { return view.Closed, errors.New("no answer") })
	if got != view.Unknown {
		t.Errorf("found %v", got)
	}
}

// A server that says in time that a connection is open has said so, also if the questions after the first one take
// longer than whoever asks may wait: failover fast disconnects nobody of whom it does not know that.
func TestEvidenceOf_OpenIsSaidOverALongWay(t *testing.T) {
	t.Parallel()
	for _, way := range []time.Duration{10 * ms, 30 * ms, 40 * ms, 100 * ms, 200 * ms} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), askWait)
			defer cancel()
			got := evidenceOf(ctx, func(ctx context.Context) (view.Evidence, error) {
				select {
				case <-time.After(way):
					return view.Open, nil
				case <-ctx.Done():
					return view.Unknown, nil // as jetstream's session has it
				}
			})
			if got != view.Open {
				t.Errorf("round trip %v: found %v, expected %v", way, got, view.Open)
			}
		})
	}
}
