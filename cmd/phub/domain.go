package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// domain returns the JetStream domain of the hub's buckets, by the flag or the context; an empty one is that of the server that one
// is connected to. It is asked for by the commands that use JetStream.
func (c *connection) domain() (string, error) {
	if c.jsDomain != "" || c.noContext {
		return c.jsDomain, nil
	}
	name, s, ok := c.readContext()
	if !ok {
		return "", nil // who connects says what is wrong with it
	}
	domain, from := s.Domain, "jetstream_domain"
	if s.APIPrefix != "" {
		var ok bool
		if domain, ok = protocol.DomainOfAPI(s.APIPrefix); !ok {
			return "", hint{
				fmt.Errorf("context %s: found jetstream_api_prefix %q, expected none, or that of a domain, such as $JS.hub.API: a hub's nodes are in the account of its buckets", name, s.APIPrefix),
				"--js-domain NAME, or a context of the account that has the buckets",
			}
		}
		from = "jetstream_api_prefix"
	}
	return domain, inFlags(protocol.ValidateDomain(domain), map[string]string{"js_domain": "context " + name + ": " + from})
}

// contextSettings are what natscontext reads of a context, and tells only who has connected.
type contextSettings struct {
	Domain    string `json:"jetstream_domain"`
	APIPrefix string `json:"jetstream_api_prefix"`
}

// readContext returns the settings of the context that is named or selected, and its name. It returns false if there is none.
func (c *connection) readContext() (string, contextSettings, bool) {
	var s contextSettings
	name := c.context
	if name == "" && c.configDir != "" {
		selected, _ := os.ReadFile(filepath.Join(c.configDir, "nats", "context.txt")) // none is selected, if there is no such file
		name = strings.TrimSpace(string(selected))
	}
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(c.configDir, "nats", "context", name+".json")
	}
	if name == "" || c.configDir == "" && !filepath.IsAbs(name) {
		return "", s, false
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &s) != nil {
		return "", s, false
	}
	return name, s, true
}
