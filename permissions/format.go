package permissions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Claims is the part of a user's JWT that says what it may do, as it stands under "nats" there.
type Claims struct {
	Publish   Claim `json:"pub"`
	Subscribe Claim `json:"sub"`
}

// Claim is one direction of Claims.
type Claim struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// Claims returns the permissions for a user's JWT, or for the template of a scoped signing key.
func (p Permissions) Claims() Claims { return Claims{claim(p.Publish), claim(p.Subscribe)} }

// claim denies everything where nothing is allowed: NATS takes an empty list to allow everything.
func claim(subjects []string) Claim {
	if len(subjects) == 0 {
		return Claim{Deny: []string{">"}}
	}
	return Claim{Allow: subjects}
}

// Conf returns the permissions as they stand beside a user in a NATS server's configuration.
func (p Permissions) Conf() string {
	c := p.Claims()
	return "permissions: {\n" + c.Publish.conf("publish") + c.Subscribe.conf("subscribe") + "}\n"
}

func (c Claim) conf(side string) string {
	if len(c.Deny) > 0 {
		return fmt.Sprintf("  %s: { deny: %s }\n", side, quoted(c.Deny[0]))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %s: { allow: [\n", side)
	for _, s := range c.Allow {
		fmt.Fprintf(&b, "    %s\n", quoted(s))
	}
	b.WriteString("  ] }\n")
	return b.String()
}

// quoted returns s in double quotes. No subject has any, nor a backslash.
func quoted(s string) string { return `"` + s + `"` }

// NSC returns the call of nsc that makes a user with the permissions, for a POSIX shell. NAME in it is for the user's name.
func (p Permissions) NSC() string {
	c := p.Claims()
	return "nsc add user --name NAME" + c.Publish.flags("pub") + c.Subscribe.flags("sub") + "\n"
}

func (c Claim) flags(side string) string {
	var b strings.Builder
	for _, s := range c.Allow {
		fmt.Fprintf(&b, " \\\n  --allow-%s '%s'", side, s)
	}
	for _, s := range c.Deny {
		fmt.Fprintf(&b, " \\\n  --deny-%s '%s'", side, s)
	}
	return b.String()
}

// JWT returns Claims as JSON.
func (p Permissions) JWT() string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(p.Claims()) // it has nothing that can't be encoded
	return b.String()
}
