package jetstream

import (
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestPutLast(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		servers []string
		avoid   string
		want    []string
	}{
		"first of three":          {[]string{"nats://a:4222", "nats://b:4222", "nats://c:4222"}, "nats://a:4222", []string{"nats://b:4222", "nats://c:4222", "nats://a:4222"}},
		"without scheme and port": {[]string{"a", "nats://b"}, "nats://a:4222", []string{"nats://b", "a"}},
		"with a user":             {[]string{"nats://u:p@a:1", "nats://u:p@b:1"}, "nats://a:1", []string{"nats://u:p@b:1", "nats://u:p@a:1"}},
		"the only one":            {[]string{"nats://a:4222"}, "nats://a:4222", []string{"nats://a:4222"}},
		"one that was found":      {[]string{"nats://a:4222", "nats://b:4222"}, "nats://x:4222", []string{"nats://a:4222", "nats://b:4222"}},
		"none":                    {[]string{"nats://a:4222", "nats://b:4222"}, "", []string{"nats://a:4222", "nats://b:4222"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := nats.Options{Servers: tc.servers, NoRandomize: true}
			putLast(&o, tc.avoid)
			if !slices.Equal(o.Servers, tc.want) {
				t.Errorf("got %q, want %q", o.Servers, tc.want)
			}
		})
	}
}

func TestPutLast_MixesTheOthersUnlessAnOrderWasAskedFor(t *testing.T) {
	t.Parallel()
	all := []string{"nats://a:1", "nats://b:1", "nats://c:1", "nats://d:1"}
	firsts := map[string]bool{}
	for range 200 {
		o := nats.Options{Servers: slices.Clone(all)}
		putLast(&o, "nats://b:1")
		if o.Servers[3] != "nats://b:1" || !o.NoRandomize {
			t.Fatalf("got %q, mixed again by the client: %v; want b last", o.Servers, !o.NoRandomize)
		}
		firsts[o.Servers[0]] = true
	}
	if len(firsts) != 3 {
		t.Errorf("first came %v in 200 tries, want each of the other three", firsts)
	}
}
