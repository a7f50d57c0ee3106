package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// MaxValueBytes is the size in bytes of the largest value or message that the decoders take.
const MaxValueBytes = 1 << 20

// version is the only version of the values and messages that this phub knows.
const version = 1

// The decoders below take bytes that nobody vouches for. They return an error, most often a
// *FieldError, if the bytes are more than MaxValueBytes, are not JSON, are of another version, or hold
// something that phub would never write. Unknown fields are ignored; those of specs and the configuration are kept, see unknown. They may be called concurrently.

// DecodeView decodes the value under ViewKey.
func DecodeView(data []byte) (View, error) {
	return decode(data, func(v *View) (int, error) { return v.V, v.check() })
}

// DecodeEntry decodes a child's value in the placement bucket.
func DecodeEntry(data []byte) (Entry, error) {
	return decode(data, func(e *Entry) (int, error) { return e.V, e.check() })
}

// DecodeSpec decodes a child's value in the children bucket, which leaves nothing open.
func DecodeSpec(data []byte) (Spec, error) {
	return decode(data, func(s *Spec) (int, error) { return s.V, first(s.check(), s.keepUnknown(data)) })
}

// DecodeNodeRecord decodes a node's value in the nodes bucket.
func DecodeNodeRecord(data []byte) (NodeRecord, error) {
	return decode(data, func(r *NodeRecord) (int, error) { return r.V, r.check() })
}

// DecodeConfig decodes the value under ConfigKey, which leaves nothing open.
func DecodeConfig(data []byte) (Config, error) {
	return decode(data, func(c *Config) (int, error) { return c.V, first(c.check(), c.keepUnknown(data)) })
}

// DecodeBeat decodes a heartbeat.
func DecodeBeat(data []byte) (Beat, error) {
	return decode(data, func(b *Beat) (int, error) { return b.V, b.check() })
}

// DecodeBeatAnswer decodes the answer to a heartbeat.
func DecodeBeatAnswer(data []byte) (BeatAnswer, error) {
	return decode(data, func(a *BeatAnswer) (int, error) { return a.V, a.check() })
}

// DecodeReleaseRequest decodes what a successor sends.
func DecodeReleaseRequest(data []byte) (ReleaseRequest, error) {
	return decode(data, func(r *ReleaseRequest) (int, error) { return r.V, r.check() })
}

// DecodeReleaseAnswer decodes the answer to a ReleaseRequest.
func DecodeReleaseAnswer(data []byte) (ReleaseAnswer, error) {
	return decode(data, func(a *ReleaseAnswer) (int, error) { return a.V, a.check() })
}

// DecodeMode decodes a redundancy-mode message, which bears no version.
func DecodeMode(data []byte) (ModeMessage, error) {
	return decode(data, func(m *ModeMessage) (int, error) { return version, m.check() })
}

// DecodeEvent decodes a life-cycle event, which bears no version. Types that this phub does not know
// are taken.
func DecodeEvent(data []byte) (Event, error) {
	return decode(data, func(e *Event) (int, error) { return version, e.check() })
}

// DecodeRequest decodes a control request into v, which it may leave half filled in. Nothing is the request that leaves all
// open. What it says is wrong is a field, as JSON shows it; what is in it is not checked.
func DecodeRequest(data []byte, v any) error {
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return jsonError(data, err)
	}
	return nil
}

// decode decodes data; check returns the version that was found, and what else is wrong.
func decode[T any](data []byte, check func(*T) (int, error)) (T, error) {
	var v, none T
	if len(data) > MaxValueBytes {
		return none, &FieldError{"value", fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("at most %d bytes", MaxValueBytes)}
	}
	if err := json.Unmarshal(data, &v); err != nil {
		if n := versionOf(data); n > version {
			return none, checkVersion(n)
		}
		return none, jsonError(data, err)
	}
	n, err := check(&v)
	if n != version {
		err = checkVersion(n)
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

// versionOf returns the version of a value that is otherwise not understood; 0 if it bears none.
func versionOf(data []byte) int {
	var v struct{ V int }
	if json.Unmarshal(data, &v) != nil {
		return 0
	}
	return v.V
}

func checkVersion(n int) error {
	switch {
	case n == 0:
		return &FieldError{"v", "nothing", "1"}
	case n > version:
		return &FieldError{"v", fmt.Sprint(n), "1; a newer phub wrote this: upgrade the phub that reads it"}
	}
	return &FieldError{"v", fmt.Sprint(n), "1"}
}

// jsonError says what is wrong with data in the words of JSON.
func jsonError(data []byte, err error) error {
	var field *FieldError
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &field):
		return field
	case errors.As(err, &wrong):
		return &FieldError{fieldPath(wrong.Field), "a JSON " + Cut(wrong.Value, maxQuoted), typeName(wrong)} // with the digits of a number
	case errors.As(err, &syntax):
		return &FieldError{"value", fmt.Sprintf("%s (byte %d: %v)", Quote(string(data)), syntax.Offset, syntax), "a JSON object"}
	}
	return fmt.Errorf("decode JSON: %s", Cut(err.Error(), MaxText))
}

// fieldPath returns a path without the Go structs that are embedded, which JSON doesn't show.
func fieldPath(path string) string {
	if path == "" {
		return "value"
	}
	path = strings.ReplaceAll("."+path, ".Incarnation.", ".")
	return path[1:]
}

func typeName(e *json.UnmarshalTypeError) string {
	if e.Type == nil {
		return "another type"
	}
	switch k := e.Type.Kind().String(); k {
	case "struct", "map":
		return "a JSON object"
	case "slice":
		return "a JSON array"
	case "bool":
		return "true or false"
	case "string":
		return "a JSON string"
	case "int":
		return "a whole number"
	case "uint64":
		return "a whole number, not negative"
	default:
		return k
	}
}
