package phub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/phub-io/phub/protocol"
)

// FromFile reads child specs from a YAML or JSON file: one spec, a list of them, or an object with the
// list under "children". A YAML file may hold several documents. Errors name the file, the child and
// the field. Unknown fields are errors.
func FromFile(path string) ([]Spec, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read child specs: %w", err)
	}
	specs, err := ParseSpecs(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return specs, nil
}

// ParseSpecs reads child specs from data, in the formats that FromFile reads.
func ParseSpecs(data []byte) ([]Spec, error) {
	var specs []Spec
	for i, doc := range documents(data) {
		more, err := parseDocument(doc)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		specs = append(specs, more...)
	}
	if len(specs) == 0 {
		return nil, &protocol.FieldError{Field: "children", Found: "none", Allowed: `a child spec ("child: …" and "kind: …"), or a list of them`}
	}
	if _, err := checkSpecs(specs); err != nil {
		return nil, err
	}
	return specs, nil
}

// documents splits a YAML stream at lines that begin with "---".
func documents(data []byte) [][]byte {
	var docs [][]byte
	from := 0
	for at := 0; at < len(data); {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if isSeparator(data[at:end]) {
			docs = append(docs, data[from:at])
			from = at + len("---")
		}
		at = end
	}
	return append(docs, data[from:])
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

// parseDocument reads one document. One that holds nothing but comments gives nothing.
func parseDocument(doc []byte) ([]Spec, error) {
	data, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil, nil
	case data[0] == '[':
		return parseList(data)
	case data[0] == '{':
		return parseObject(data)
	}
	return nil, &protocol.FieldError{Field: "children", Found: fmt.Sprintf("%.40s", data), Allowed: "a child spec, or a list of them"}
}

func parseList(data []byte) ([]Spec, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return nil, err
	}
	specs := make([]Spec, len(items))
	for i, item := range items {
		if err := parseStrict(item, &specs[i]); err != nil {
			return nil, fmt.Errorf("child %d: %w", i+1, err)
		}
	}
	return specs, nil
}

func parseObject(data []byte) ([]Spec, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	list, ok := fields["children"]
	if !ok {
		var s Spec
		err := parseStrict(data, &s)
		return []Spec{s}, err
	}
	for name := range fields {
		if name != "children" {
			return nil, &protocol.FieldError{Field: name, Found: "beside children", Allowed: `only "children" in an object that has it`}
		}
	}
	return parseList(list)
}

// parseStrict decodes one spec and refuses fields that it does not have.
func parseStrict(data []byte, s *Spec) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(s)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return typeError(wrong)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &protocol.FieldError{Field: strings.Trim(field, `"`), Found: "a field that no child spec has", Allowed: specFields}
	}
	return err
}

const specFields = "child, kind, args, metadata, restart {policy, max, within}, " +
	"redundancy {strategy, replication_factor, replication_model, redundancy_signal}"

// typeError says it in the words of a spec, not in those of Go.
func typeError(e *json.UnmarshalTypeError) error {
	allowed := e.Type.String()
	switch e.Type.Kind().String() {
	case "string":
		allowed = "a string; put it in quotes"
	case "map":
		allowed = "names with strings: {name: value}"
	case "struct":
		allowed = "an object with " + specFields
	case "int":
		allowed = "a whole number"
	}
	field := e.Field
	if field == "" {
		field = "child spec"
	}
	return &protocol.FieldError{Field: field, Found: "a " + e.Value, Allowed: allowed}
}
