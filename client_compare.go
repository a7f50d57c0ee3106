package phub

import (
	"context"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// Comparison says how a hub's children differ from some specs.
type Comparison struct {
	Start  []Spec            // what the hub does not have
	Change []ChildDifference // what differs there
	Same   int               // how many are as the specs say
	Others []ChildInfo       // children that the specs don't name
}

// ChildDifference is a child that differs from its spec, and in what. The update would make it what the spec says, unless somebody else
// changes it before.
type ChildDifference struct {
	Update
	Differences []protocol.Difference `json:"differences"`
}

// Text says what becomes of each field, one after the other.
func (d *ChildDifference) Text() string {
	parts := make([]string, len(d.Differences))
	for i, x := range d.Differences {
		parts[i] = x.Field + " " + x.From + " → " + x.To
	}
	return strings.Join(parts, ", ")
}

// Compare says what is to be done so that the hub's children are what specs say. What a spec leaves open is the hub's default.
func (c *Client) Compare(ctx context.Context, specs []Spec) (*Comparison, error) {
	if _, err := checkSpecs(specs); err != nil {
		return nil, err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	return c.compare(ctx, specs, status.Config.Redundancy)
}

// compare is Compare with defaults that the hub may be about to have.
func (c *Client) compare(ctx context.Context, specs []Spec, defaults Redundancy) (*Comparison, error) {
	there, named := map[string]*ChildInfo{}, map[string]bool{}
	for i := range specs {
		named[specs[i].Child] = true
	}
	diff := &Comparison{Start: []Spec{}, Change: []ChildDifference{}}
	for info, err := range c.List(ctx, Filter{}) {
		switch {
		case err != nil:
			return nil, err
		case named[info.Child]:
			there[info.Child] = &info
		default:
			diff.Others = append(diff.Others, info)
		}
	}
	for i := range specs {
		diff.add(&specs[i], specs[i].WithDefaults(defaults), there[specs[i].Child])
	}
	return diff, nil
}

func (c *Comparison) add(s *Spec, full Spec, there *ChildInfo) {
	if there == nil {
		c.Start = append(c.Start, *s)
		return
	}
	now := there.Spec.Changed()
	differences := now.Differences(&full)
	if len(differences) == 0 {
		c.Same++
		return
	}
	c.Change = append(c.Change, ChildDifference{Update{Spec: *s, Revision: there.Revision}, differences})
}
