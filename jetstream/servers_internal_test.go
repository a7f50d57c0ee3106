package jetstream

import (
	"crypto/tls"
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

func TestAddLearned(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		servers, learned, want []string
		tls                    *tls.Config
		host                   string // expected in certificates; empty: as without phub
	}{
		"none":               {[]string{"nats://a:1"}, nil, []string{"nats://a:1"}, nil, ""},
		"one that was named": {[]string{"a"}, []string{"nats://a:4222", "nats://b:4222"}, []string{"a", "nats://b:4222"}, nil, ""},
		"credentials":        {[]string{"nats://u:p@a:1"}, []string{"nats://b:1"}, []string{"nats://u:p@a:1", "nats://u:p@b:1"}, nil, ""},
		"token":              {[]string{"nats://t@a:1", "nats://b:1"}, []string{"nats://c:1"}, []string{"nats://t@a:1", "nats://b:1", "nats://t@c:1"}, nil, ""},
		"IP behind a name":   {[]string{"tls://a:1"}, []string{"tls://10.0.0.1:1"}, []string{"tls://a:1", "tls://10.0.0.1:1"}, &tls.Config{}, "a"},
		"IP behind an IP":    {[]string{"tls://10.0.0.2:1"}, []string{"tls://10.0.0.1:1"}, []string{"tls://10.0.0.2:1", "tls://10.0.0.1:1"}, &tls.Config{}, ""},
		"two names":          {[]string{"tls://a:1", "tls://b:1"}, []string{"tls://10.0.0.1:1"}, []string{"tls://a:1", "tls://b:1", "tls://10.0.0.1:1"}, &tls.Config{}, ""},
		"an own name":        {[]string{"tls://a:1"}, []string{"tls://10.0.0.1:1"}, []string{"tls://a:1", "tls://10.0.0.1:1"}, &tls.Config{ServerName: "x"}, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := nats.Options{Servers: slices.Clone(tc.servers), TLSConfig: tc.tls}
			addLearned(&o, tc.learned)
			if !slices.Equal(o.Servers, tc.want) {
				t.Errorf("got %q, want %q", o.Servers, tc.want)
			}
			if o.TLSConfig != nil && o.TLSConfig.ServerName != tc.host {
				t.Errorf("expects certificates of %q, want %q", o.TLSConfig.ServerName, tc.host)
			}
		})
	}
}
