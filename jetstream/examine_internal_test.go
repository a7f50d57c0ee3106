package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestWorst_NamesWhoDiffers(t *testing.T) {
	t.Parallel()
	late, other := fmt.Errorf("%w: x", ErrGivenUp), errors.New("other")
	fine := func(ms int) Finding { return Finding{After: time.Duration(ms) * time.Millisecond} }
	for name, c := range map[string]struct {
		found []Finding
		err   error
		after time.Duration
		at    []string
	}{
		"one":                {[]Finding{fine(3)}, nil, 3 * time.Millisecond, nil},
		"one that lacks it":  {[]Finding{{Err: other}}, other, 0, nil},
		"all":                {[]Finding{fine(3), fine(5), fine(4)}, nil, 5 * time.Millisecond, nil},
		"none":               {[]Finding{{Err: other}, {Err: other}}, other, 0, nil},
		"the second lacks":   {[]Finding{fine(3), {Err: other}, fine(4)}, other, 0, []string{"s2"}},
		"two, the worse one": {[]Finding{{Err: other}, fine(4), {Err: late}}, late, 0, []string{"s1", "s3"}},
		"two, worse first":   {[]Finding{{Err: late}, {Err: other}, fine(4)}, late, 0, []string{"s1", "s2"}},
	} {
		var all []*examiner
		for _, f := range c.found {
			all = append(all, &examiner{Examination: Examination{Kicked: f}})
		}
		got := worst(all, func(e *Examination) Finding { return e.Kicked }, []string{"s1", "s2", "s3"})
		if !errors.Is(got.Err, c.err) || got.After != c.after || !slices.Equal(got.At, c.at) {
			t.Errorf("%s: found %+v, expected %v after %v at %v", name, got, c.err, c.after, c.at)
		}
	}
}

func TestOnly_TheOutermostServerCounts(t *testing.T) {
	t.Parallel()
	var got nats.Options
	dial := func(opts ...nats.Option) (*nats.Conn, error) {
		for _, o := range opts {
			if err := o(&got); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	server := sameUser("tls://b:4222", "nats://u:p@a:4222")
	if _, err := only(only(dial, "nats://a:4222"), server)(nats.Name("n")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Servers, []string{"tls://u:p@b:4222"}) || got.Name != "n" {
		t.Errorf("found %q, name %q; expected the second server with the user, and the name", got.Servers, got.Name)
	}
}
