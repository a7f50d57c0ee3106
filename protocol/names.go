package protocol

import (
	"fmt"
	"strings"
)

// Limits on names, in bytes (all allowed characters are one byte long).
const (
	MaxHubName   = 64
	MaxNodeName  = 64
	MaxKindName  = 64
	MaxChildName = 128
)

// ValidateHub returns an error that says what is wrong with name as a hub's name: 1 to 64 of
// A-Z a-z 0-9 _ -, not beginning with _.
func ValidateHub(name string) error { return validateToken("hub", name, MaxHubName) }

// ValidateNode returns an error that says what is wrong with name as a node's name: 1 to 64 of
// A-Z a-z 0-9 _ -, not beginning with _.
func ValidateNode(name string) error { return validateToken("node", name, MaxNodeName) }

// ValidateKind returns an error that says what is wrong with name as the name of a kind of worker:
// 1 to 64 of A-Z a-z 0-9 _ -, not beginning with _.
func ValidateKind(name string) error { return validateToken("kind", name, MaxKindName) }

// ValidateChild returns an error that says what is wrong with name as a child's name: 1 to 128
// characters, tokens of A-Z a-z 0-9 _ - = / joined by single dots, not beginning with _.
func ValidateChild(name string) error {
	if err := checkLength("child", name, MaxChildName); err != nil {
		return err
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; !isNameByte(c) && c != '=' && c != '/' && c != '.' {
			return &FieldError{"child", Quote(name), fmt.Sprintf("only A-Z a-z 0-9 _ - = / and single dots (%s at byte %d)", quoteByte(name, i), i)}
		}
	}
	if name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, "..") {
		return &FieldError{"child", Quote(name), "tokens joined by single dots, none at the ends"}
	}
	return nil
}

// ValidateKey returns an error that says what is wrong with key as one that phub writes in a bucket: the name of a child or
// node, ViewKey or ConfigKey. It becomes part of a subject.
func ValidateKey(key string) error {
	if key == ViewKey || key == ConfigKey {
		return nil
	}
	return at("key", ValidateChild(key))
}

// ValidateFilter returns an error that says what is wrong with filter as a filter over children's names,
// as NATS has them over subjects: tokens joined by single dots, * for any one token, > as the last token
// for one or more. The name of a child is a filter.
func ValidateFilter(filter string) error {
	tokens := strings.Split(filter, ".")
	for i, t := range tokens {
		if t == "*" || t == ">" && i == len(tokens)-1 {
			tokens[i] = "x"
		}
	}
	if ValidateChild(strings.Join(tokens, ".")) != nil {
		return &FieldError{"filter", Quote(filter), "a child's name, in which a token may be *, and the last one >"}
	}
	return nil
}

func validateToken(field, name string, limit int) error {
	if err := checkLength(field, name, limit); err != nil {
		return err
	}
	for i := 0; i < len(name); i++ {
		if !isNameByte(name[i]) {
			return &FieldError{field, Quote(name), fmt.Sprintf("only A-Z a-z 0-9 _ - (%s at byte %d)", quoteByte(name, i), i)}
		}
	}
	return nil
}

func checkLength(field, name string, limit int) error {
	switch {
	case name == "":
		return &FieldError{field, "nothing", fmt.Sprintf("a name of 1 to %d characters", limit)}
	case len(name) > limit:
		return &FieldError{field, quoteLong(name), fmt.Sprintf("a name of 1 to %d characters", limit)}
	case name[0] == '_':
		return &FieldError{field, Quote(name), "a name that does not begin with _ (those are phub's own)"}
	}
	return nil
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// FieldError says which field of some input is wrong, what was found there and what is allowed.
type FieldError struct {
	Field   string // the field's name, as the user wrote it: "child", "redundancy.replication_factor"
	Found   string // what was found
	Allowed string // what is allowed
}

// Error returns one line with all three.
func (e *FieldError) Error() string {
	return fmt.Sprintf("%s: found %s, allowed is %s", e.Field, e.Found, e.Allowed)
}

// maxQuoted is how many bytes of input Quote shows: a child's name is never cut.
const maxQuoted = 140

// Quote shows foreign input of any length and content as a short quoted string. What is cut off is said behind it.
func Quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q… (%d bytes)", s[:maxQuoted], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// quoteLong is Quote for what is too long: it always says how long.
func quoteLong(s string) string {
	if len(s) > maxQuoted {
		return Quote(s)
	}
	return fmt.Sprintf("%s (%d bytes)", Quote(s), len(s))
}

func quoteByte(s string, i int) string { return fmt.Sprintf("%q", s[i:i+1]) }
