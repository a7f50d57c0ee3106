package phub

import (
	"context"
	"fmt"
	"iter"

	"github.com/phub-io/phub/protocol"
)

// Filter says which children to list. The zero value lists all of them.
type Filter struct {
	// Children is a child's name, or a filter as in NATS subjects: "orders.*", "orders.>". Empty means
	// all.
	Children string
	// Node leaves out children without a replica on that node.
	Node string
	// Tag leaves out children whose metadata does not have this "tag".
	Tag string
	// Incomplete leaves out children with all the living replicas that they want.
	Incomplete bool
	// Failed leaves out children that no node gave up, or that are to be tried again where they were given up.
	Failed bool
}

// pageSize is how many children one request lists: with specs of a usual size far below the largest
// message that NATS carries.
const pageSize = 500

// validate says which field is wrong.
func (f *Filter) validate() error {
	if f.Children != "" {
		if err := protocol.ValidateFilter(f.Children); err != nil {
			return err
		}
	}
	if f.Node != "" {
		return protocol.ValidateNode(f.Node)
	}
	return nil
}

// List returns the matching children, sorted by name. It reads page by page while the caller ranges over
// them, so it may or may not show a change made meanwhile. It ends after an error. A
// *protocol.FieldError says what is wrong with the filter.
func (c *Client) List(ctx context.Context, f Filter) iter.Seq2[ChildInfo, error] {
	return func(yield func(ChildInfo, error) bool) {
		if err := f.validate(); err != nil {
			yield(ChildInfo{}, fmt.Errorf("list children: %w", err))
			return
		}
		req := protocol.ListRequest{Filter: f.Children, Node: f.Node, Tag: f.Tag, Incomplete: f.Incomplete, Failed: f.Failed, Limit: pageSize}
		for {
			page, err := c.page(ctx, req)
			if err != nil {
				yield(ChildInfo{}, fmt.Errorf("list children: %w", err))
				return
			}
			for _, child := range page.Children {
				if !yield(child, nil) {
					return
				}
			}
			if !page.More || len(page.Children) == 0 {
				return
			}
			req.After = page.Children[len(page.Children)-1].Child
		}
	}
}

func (c *Client) page(ctx context.Context, req protocol.ListRequest) (protocol.ListResponse, error) {
	var page protocol.ListResponse
	err := c.control(ctx, protocol.VerbList, req, 0, &page)
	return page, err
}

// Info returns all that the hub knows of a child, or ErrNoChild if there is none of that name.
func (c *Client) Info(ctx context.Context, child string) (ChildInfo, error) {
	var info ChildInfo
	if err := protocol.ValidateChild(child); err != nil {
		return info, fmt.Errorf("look up child: %w", err)
	}
	err := c.control(ctx, protocol.VerbInfo, protocol.InfoRequest{Child: child}, 0, &info)
	return info, err
}

// Nodes returns the nodes of the hub sorted by name, including those that left or were lost in the last hour. It reads page by
// page, so it may or may not show a change made meanwhile.
func (c *Client) Nodes(ctx context.Context) (Nodes, error) {
	all := Nodes{Nodes: []NodeInfo{}}
	var req protocol.NodesRequest
	for {
		var page Nodes
		if err := c.control(ctx, protocol.VerbNodes, req, 0, &page); err != nil {
			return all, err
		}
		all.Nodes = append(all.Nodes, page.Nodes...)
		all.View, all.Total = page.View, page.Total
		if !page.More || len(all.Nodes) == 0 || all.Nodes[len(all.Nodes)-1].Node <= req.After {
			return all, nil
		}
		req.After = all.Nodes[len(all.Nodes)-1].Node
	}
}

// Status returns the health of the hub, and its configuration.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var st Status
	err := c.control(ctx, protocol.VerbStatus, struct{}{}, 0, &st)
	return st, err
}
