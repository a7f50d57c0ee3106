package protocol

import (
	"fmt"
	"strings"
)

// MaxDomain is the length of a JetStream domain's name, in bytes.
const MaxDomain = 128

// ValidateDomain returns an error that says what is wrong with name as the name of a JetStream domain: up to 128 printable
// characters of ASCII, none of them a blank, dot, wildcard, quote or backslash. An empty name is right: it is the domain of the
// server that one is connected to.
func ValidateDomain(name string) error {
	ok := len(name) <= MaxDomain
	for _, c := range name {
		ok = ok && c > ' ' && c < 0x7f && !strings.ContainsRune(`.*>"'\`, c)
	}
	if !ok {
		return &FieldError{"js_domain", Quote(name), fmt.Sprintf("up to %d characters, without blanks, dots, wildcards, quotes and backslashes", MaxDomain)}
	}
	return nil
}

// JetStreamAPI returns what the subjects of JetStream's API begin with in a domain; an empty one is that of the server that one
// is connected to.
func JetStreamAPI(domain string) string {
	if domain == "" {
		return "$JS.API."
	}
	return "$JS." + domain + ".API."
}

// DomainOfAPI returns the domain whose API has a prefix, with or without its final dot. It returns false for a prefix that somebody
// made up, by which an account imports another one's API.
func DomainOfAPI(prefix string) (string, bool) {
	prefix = strings.TrimSuffix(prefix, ".") + "."
	if prefix == JetStreamAPI("") {
		return "", true
	}
	domain := strings.TrimSuffix(strings.TrimPrefix(prefix, "$JS."), ".API.")
	if domain == "" || ValidateDomain(domain) != nil || prefix != JetStreamAPI(domain) {
		return "", false
	}
	return domain, true
}

// Keys returns what the subjects begin with under which a bucket's keys are stored.
func (b Bucket) Keys(hub string) string { return "$KV." + b.Name(hub) + "." }

// WriteKeys returns what the subjects begin with on which a bucket's keys are written, when its stream is in a domain.
func (b Bucket) WriteKeys(hub, domain string) string {
	if domain == "" {
		return b.Keys(hub)
	}
	return JetStreamAPI(domain) + b.Keys(hub) // how NATS has it; the stream stores it under Keys
}
