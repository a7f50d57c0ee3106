package protocol

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// unknown are the fields of a stored value that this build does not know. A later build put them there, and they stay when this one
// writes the value again: a node that is not upgraded yet does not undo what somebody asked of one that is. Only specs and the
// configuration have them, which say what is wanted; all else is written from what its writer knows. Only fields at the top are
// kept.
type unknown map[string]json.RawMessage

// maxUnknown bounds them together, in bytes.
const maxUnknown = 16 << 10

// unknownFields returns the fields of an object that a struct has not. encoding/json takes names in whatever case.
func unknownFields(data []byte, of any) (unknown, error) {
	var all unknown
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	size := 0
	for field := range reflect.TypeOf(of).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		maps.DeleteFunc(all, func(key string, _ json.RawMessage) bool { return name != "" && strings.EqualFold(key, name) })
	}
	for key, value := range all {
		size += len(key) + len(value)
	}
	switch {
	case size > maxUnknown:
		return nil, &FieldError{"value", fmt.Sprintf("%d bytes in fields that this phub does not know", size), fmt.Sprintf("at most %d", maxUnknown)}
	case len(all) == 0:
		return nil, nil
	}
	return all, nil
}

// appendTo adds the fields to an encoded object, sorted.
func (u unknown) appendTo(object []byte, err error) ([]byte, error) {
	if err != nil || len(u) == 0 {
		return object, err
	}
	object = object[:len(object)-1]
	for _, name := range slices.Sorted(maps.Keys(u)) {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		object = append(append(append(append(object, ','), key...), ':'), u[name]...)
	}
	return append(object, '}'), nil
}

// MarshalJSON writes the spec, with the fields of a later build that were read with it.
func (s Spec) MarshalJSON() ([]byte, error) {
	type plain Spec
	return s.later.appendTo(json.Marshal(plain(s)))
}

// MarshalJSON writes the configuration, with the fields of a later build that were read with it.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	return c.later.appendTo(json.Marshal(plain(c)))
}

// keepUnknown keeps what this build does not know of a stored spec.
func (s *Spec) keepUnknown(data []byte) (err error) {
	if s.later, err = unknownFields(data, *s); err != nil || s.Change == nil {
		return err
	}
	var raw struct {
		Change json.RawMessage `json:"change"`
	}
	if err = json.Unmarshal(data, &raw); err == nil {
		s.Change.later, err = unknownFields(raw.Change, *s)
	}
	return err
}

// keepUnknown keeps what this build does not know of a stored configuration.
func (c *Config) keepUnknown(data []byte) (err error) {
	c.later, err = unknownFields(data, *c)
	return err
}

// KeepUnknown has the spec keep what this build does not know of the one that it follows on.
func (s *Spec) KeepUnknown(of *Spec) { s.later = of.later }
