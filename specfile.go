package phub

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

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

// ParseSpecs reads child specs from data, in the formats that FromFile reads. YAML's merge keys ("<<") may be used.
func ParseSpecs(data []byte) ([]Spec, error) {
	var specs []Spec
	docs := yaml.NewDecoder(bytes.NewReader(data))
	for i := 1; ; i++ {
		var doc yaml.Node
		err := docs.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		var more []Spec
		if err == nil {
			more, err = parseDocument(&doc)
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
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

// parseDocument reads one document. One that holds nothing but comments gives nothing.
func parseDocument(doc *yaml.Node) ([]Spec, error) {
	keepText(doc)
	var value any
	if err := doc.Decode(&value); err != nil {
		return nil, err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("found a value that JSON does not have: %w", err)
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

// keepText makes strings of what looks like a date, and of keys, of whatever type: they stay as they were written.
func keepText(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		n.Tag = "!!str"
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.ScalarNode && c.ShortTag() != "!!merge" {
			c.Tag = "!!str"
		}
		keepText(c)
	}
}

func parseList(data []byte) ([]Spec, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return nil, err
	}
	specs := make([]Spec, len(items))
	for i, item := range items {
		if err := parseSpec(item, &specs[i]); err != nil {
			return nil, fmt.Errorf("child %d%s: %w", i+1, nameIn(item), err)
		}
	}
	return specs, nil
}

// nameIn returns the child's name for an error, in parentheses, or nothing if there is none.
func nameIn(spec json.RawMessage) string {
	var named struct {
		Child string `json:"child"`
	}
	_ = json.Unmarshal(spec, &named) // what is wrong with it is told by who decodes it
	return inParentheses(named.Child)
}

func inParentheses(name string) string {
	if name == "" {
		return ""
	}
	return " (" + protocol.Printable(protocol.Cut(name, protocol.MaxChildName)) + ")"
}

func parseObject(data []byte) ([]Spec, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	list, ok := fields["children"]
	if !ok {
		var s Spec
		err := parseSpec(data, &s)
		return []Spec{s}, err
	}
	for name := range fields {
		if name != "children" {
			return nil, &protocol.FieldError{Field: name, Found: "beside children", Allowed: `only "children" in an object that has it`}
		}
	}
	return parseList(list)
}

// parseSpec decodes one spec. Fields that specs don't have are errors, and each error names the whole path of its field.
func parseSpec(data []byte, s *Spec) error {
	return parseStruct("", data, reflect.ValueOf(s).Elem())
}

func parseStruct(path string, data []byte, to reflect.Value) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return fieldError(path, err)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field := fieldOf(to, name)
		at := path + name
		if !field.IsValid() {
			return &protocol.FieldError{Field: at, Found: "a field that no child spec has", Allowed: specFields}
		}
		if err := parseField(at, fields[name], field); err != nil {
			return err
		}
	}
	return nil
}

// fieldOf returns the field of a struct that has that name in JSON; the zero value if none has.
func fieldOf(of reflect.Value, name string) reflect.Value {
	for i := range of.NumField() {
		if tag, _, _ := strings.Cut(of.Type().Field(i).Tag.Get("json"), ","); tag == name && tag != "" && tag != "-" { // without one it is not of the file
			return of.Field(i)
		}
	}
	return reflect.Value{}
}

func parseField(path string, data []byte, to reflect.Value) error {
	if to.Kind() == reflect.Struct {
		return parseStruct(path+".", data, to)
	}
	if to.Type() != reflect.TypeFor[map[string]string]() || data[0] != '{' {
		return fieldError(path, json.Unmarshal(data, to.Addr().Interface()))
	}
	var items map[string]json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return fieldError(path, err)
	}
	values := make(map[string]string, len(items))
	for _, key := range slices.Sorted(maps.Keys(items)) {
		var value string
		if err := json.Unmarshal(items[key], &value); err != nil {
			return fieldError(path+"."+key, err)
		}
		values[key] = value
	}
	to.Set(reflect.ValueOf(values))
	return nil
}

const specFields = "child, kind, args, metadata, restart {policy, max, within}, handler_limit, " +
	"redundancy {strategy, replication_factor, replication_model, redundancy_signal}"

// fieldError says what is wrong with the value at a path, in the words of a spec and not in those of Go.
func fieldError(path string, err error) error {
	path = cmp.Or(strings.TrimSuffix(path, "."), "child spec")
	if wrong, ok := errors.AsType[*protocol.FieldError](err); ok {
		return &protocol.FieldError{Field: path, Found: wrong.Found, Allowed: wrong.Allowed}
	}
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	allowed := wrong.Type.String()
	switch wrong.Type.Kind() {
	case reflect.String:
		allowed = "a string; put it in quotes"
	case reflect.Map:
		switch path {
		case "child spec":
			allowed = "an object with " + specFields
		case "args", "metadata":
			allowed = "names with strings: {name: value}"
		default:
			allowed = "an object"
		}
	case reflect.Int:
		allowed = "a whole number"
	}
	found := "a " + wrong.Value
	if strings.HasPrefix(wrong.Value, "array") || strings.HasPrefix(wrong.Value, "object") {
		found = "an " + wrong.Value
	}
	return &protocol.FieldError{Field: path, Found: found, Allowed: allowed}
}
