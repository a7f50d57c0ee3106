package phub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/phub-io/phub/protocol"
)

// Export is what a hub is to be: its configuration and its children's specs. What runs where is not in it, nor what workers hold.
type Export struct {
	Hub      string `json:"hub"`
	Config   Config `json:"config"`
	Children []Spec `json:"children"`
}

// Export reads what the hub is to be, page by page: it may or may not have a change made meanwhile. A child that is being changed
// is in it as it is to become. What belongs to this hub alone, as its id, is left out.
func (c *Client) Export(ctx context.Context) (*Export, error) {
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	x := &Export{Hub: c.hub, Config: status.Config, Children: []Spec{}}
	x.Config.ID, x.Config.Set = "", nil
	for info, err := range c.List(ctx, Filter{}) {
		if err != nil {
			return nil, err
		}
		x.Children = append(x.Children, info.Spec.Changed())
	}
	return x, nil
}

// YAML returns x as a file that ParseExport reads. JSON, as encoding/json writes it, is another one.
func (x *Export) YAML() ([]byte, error) {
	data, err := json.Marshal(x)
	if err != nil {
		return nil, fmt.Errorf("encode export: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("encode export as YAML: %w", err)
	}
	plainStyle(&doc)
	data, err = yaml.Marshal(&doc)
	if err != nil {
		return nil, fmt.Errorf("encode export as YAML: %w", err)
	}
	if again, err := ParseExport(data); err != nil || !reflect.DeepEqual(again, x) { // names that YAML can't hold, of a thousand characters
		return nil, fmt.Errorf("encode export as YAML: found something that can't be read again (%v); JSON can hold it", err)
	}
	return data, nil
}

// plainStyle has a document written as people write it, and not as the JSON that it was read from.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plainStyle(c)
	}
}

// ExportFromFile reads what Export wrote from a YAML or JSON file.
func ExportFromFile(path string) (*Export, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	x, err := ParseExport(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

// ParseExport reads what Export wrote, in YAML or JSON. The hub's name and the configuration may be left out, or parts of
// that. Unknown fields are errors, which name the child and the field.
func ParseExport(data []byte) (*Export, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	keepText(&doc)
	var value any
	if err := doc.Decode(&value); err != nil {
		return nil, err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("found a value that JSON does not have: %w", err)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || fields["children"] == nil {
		return nil, &protocol.FieldError{Field: "children", Found: "none", Allowed: "an object with hub, config and children, as phub hub export writes it"}
	}
	return parseExport(fields)
}

func parseExport(fields map[string]json.RawMessage) (*Export, error) {
	x := &Export{Children: []Spec{}}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var err error
		switch name {
		case "hub":
			err = fieldError("hub", json.Unmarshal(fields[name], &x.Hub))
		case "config":
			err = parseConfig(fields[name], &x.Config)
		case "children":
			x.Children, err = parseList(fields[name])
		default:
			err = &protocol.FieldError{Field: name, Found: "beside hub, config and children", Allowed: "only these"}
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := checkSpecs(x.Children); err != nil {
		return nil, err
	}
	return x, nil
}

// parseConfig reads a configuration of which any part may be left out.
func parseConfig(data []byte, c *Config) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return &protocol.FieldError{Field: "config", Found: name, Allowed: "the settings that phub hub export writes"}
		}
		return fieldError("config", err)
	}
	c.ID, c.Set = "", nil
	full := c.WithDefaults()
	if wrong, ok := errors.AsType[*protocol.FieldError](full.Validate()); ok {
		return &protocol.FieldError{Field: "config." + wrong.Field, Found: wrong.Found, Allowed: wrong.Allowed}
	}
	return nil
}

// ErrDiffers is in what Import returns when the hub has something that differs from what is to be imported. Nothing was done.
var ErrDiffers = errors.New("phub: the hub differs from what is to be imported")

// ImportPlan is what an import does, or would do.
type ImportPlan struct {
	Set    []string          `json:"set"`       // settings that are to be changed
	Start  []Spec            `json:"start"`     // children that the hub does not have
	Change []ChildDifference `json:"change"`    // children that differ
	Same   int               `json:"unchanged"` // how many are as they are to be

	settings Config // what is to be changed
	revision uint64 // of the configuration
}

// PlanImport says what Import would do.
func (c *Client) PlanImport(ctx context.Context, x *Export) (*ImportPlan, error) {
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	next, changed, err := status.Config.With(x.Config)
	if err != nil {
		return nil, fmt.Errorf("import into hub %s: configuration: %w", c.hub, err)
	}
	diff, err := c.compare(ctx, x.Children, next.Redundancy)
	if err != nil {
		return nil, err
	}
	if changed == nil {
		changed = []string{}
	}
	return &ImportPlan{changed, diff.Start, diff.Change, diff.Same, x.Config, status.Config.Revision()}, nil
}

// Import makes a hub what an export says, which may be another one's: it starts the children that the hub does not have. What the
// hub has and is the same stays; children of which the export says nothing stay, too. What differs, children or settings, is an
// error that wraps ErrDiffers, and then nothing is done, unless replace says that it is to be changed. A setting that can't be changed while
// a hub runs is an error in any case: see Config.With. An import that failed can be repeated.
func (c *Client) Import(ctx context.Context, x *Export, replace bool, progress func(done, total int)) (*ImportPlan, []ChildResult, error) {
	plan, err := c.PlanImport(ctx, x)
	if err != nil {
		return nil, nil, err
	}
	if differs := plan.differs(); differs != "" && !replace {
		return plan, nil, fmt.Errorf("%w: %s", ErrDiffers, differs)
	}
	if len(plan.Set) > 0 {
		if _, err := c.SetHub(ctx, plan.settings, plan.revision); err != nil {
			return plan, nil, err
		}
	}
	var started, updated []ChildResult
	if len(plan.Start) > 0 {
		if started, err = c.Start(ctx, plan.Start, progress); err != nil {
			return plan, started, err
		}
	}
	if len(plan.Change) > 0 {
		updates := make([]Update, len(plan.Change))
		for i := range plan.Change {
			updates[i] = plan.Change[i].Update
		}
		updated, err = c.Update(ctx, updates, progress)
	}
	return plan, append(started, updated...), err
}

// maxDiffers is how many children an error names that differ.
const maxDiffers = 5

// differs names what differs in the hub.
func (p *ImportPlan) differs() string {
	var found []string
	for _, name := range p.Set {
		found = append(found, "setting "+name)
	}
	for i := range p.Change {
		x := &p.Change[i]
		if i == maxDiffers {
			found = append(found, fmt.Sprintf("and %d more children", len(p.Change)-i))
			break
		}
		found = append(found, "child "+x.Spec.Child+": "+x.Text())
	}
	return strings.Join(found, "; ")
}
