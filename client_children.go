package phub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

const (
	// maxChunkBytes bounds the specs of one control request, below the 1 MB that NATS carries.
	maxChunkBytes = 512 << 10
	// requestOverhead is what a control request has beside its children, in bytes, with room for headers.
	requestOverhead = 1 << 10
	// chunksInFlight is how many control requests one Start or Stop has under way.
	chunksInFlight = 3
	// defaultWait is how long the hub may take to have the replicas of one request run.
	defaultWait = 10 * time.Second
)

// Start starts any number of children and waits, 10 s at most, until all replicas that they want run. The results
// are in the order of specs. A child that already exists with an equal spec is not an error.
//
// Start returns an error, and sends nothing, if a spec is invalid or two have one name. It also returns
// an error if some of the children got no answer at all; their results then hold that error. If all were
// answered for and some don't run with all their replicas, it returns a *ChildrenError: the hub keeps what it
// was asked for, and goes on trying; Stop takes it back.
//
// After each answer Start calls progress, which may be nil, with the number of children answered so
// far. It never calls it concurrently.
func (c *Client) Start(ctx context.Context, specs []Spec, progress func(done, total int)) ([]ChildResult, error) {
	sizes, err := checkSpecs(specs)
	if err != nil {
		return nil, err
	}
	ctx, cancel := withTimeout(ctx, controlTimeout(len(specs)))
	defer cancel()
	ends, err := c.chunks(sizes)
	if err != nil {
		return nil, fmt.Errorf("start children: %w", err)
	}
	b := newBatch(len(specs), progress, func(i int) string { return specs[i].Child })
	err = b.run(ends, func(from, to int, _ bool) ([]ChildResult, error) {
		var resp protocol.StartResponse
		wait := waitWithin(ctx)
		err := c.control(ctx, protocol.VerbStart, protocol.StartRequest{Children: specs[from:to], Wait: Duration(wait)}, wait, &resp)
		return resp.Results, err
	})
	return b.results, cmp.Or(err, notAsAsked(b.results))
}

// controlTimeout is for how long n children are started or changed when the caller does not say.
func controlTimeout(n int) time.Duration {
	return defaultControlTimeout * time.Duration(1+n/(4*protocol.MaxStart))
}

// Stop stops children and waits until none of their replicas runs. Results and errors are as for
// Start. A child that does not exist has an error in its result.
func (c *Client) Stop(ctx context.Context, children []string, progress func(done, total int)) ([]ChildResult, error) {
	sizes := make([]int, len(children))
	for i, child := range children {
		if err := protocol.ValidateChild(child); err != nil {
			return nil, fmt.Errorf("stop children: %w", err)
		}
		sizes[i] = len(child) + 3
	}
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	ends, err := c.chunks(sizes)
	if err != nil {
		return nil, fmt.Errorf("stop children: %w", err)
	}
	b := newBatch(len(children), progress, func(i int) string { return children[i] })
	err = b.run(ends, func(from, to int, again bool) ([]ChildResult, error) {
		var resp protocol.StopResponse
		wait := waitWithin(ctx)
		uncertain, err := c.controlTwice(ctx, protocol.VerbStop, protocol.StopRequest{Children: children[from:to], Wait: Duration(wait)}, wait, &resp)
		if uncertain || again {
			forgiveAbsent(resp.Results)
		}
		return resp.Results, err
	})
	return b.results, cmp.Or(err, notAsAsked(b.results))
}

// forgiveAbsent takes children that are not there for stopped: an earlier try may have done it.
func forgiveAbsent(results []ChildResult) {
	for i := range results {
		if e := results[i].Error; e != nil && e.Code == protocol.CodeNotFound {
			results[i].Error = nil
		}
	}
}

// Move moves a child's active replica to a node, without a gap for clients, and waits until that node
// serves it. It returns ErrNoChild if there is no such child. If there is no such node, the error is a
// Problem with code 404, too. If the node does not serve the child in time, it is a *ChildrenError.
func (c *Client) Move(ctx context.Context, child, node string) (ChildResult, error) {
	if err := protocol.ValidateChild(child); err != nil {
		return ChildResult{}, fmt.Errorf("move child: %w", err)
	}
	if err := protocol.ValidateNode(node); err != nil {
		return ChildResult{}, fmt.Errorf("move child: %w", err)
	}
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	wait := waitWithin(ctx)
	var r ChildResult
	err := c.control(ctx, protocol.VerbMove, protocol.MoveRequest{Child: child, Node: node, Wait: Duration(wait)}, wait, &r)
	if err == nil {
		err = notAsAsked([]ChildResult{r})
	}
	return r, err
}

// waitWithin returns for how long the hub may wait so that its answer arrives before ctx ends.
func waitWithin(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return defaultWait
	}
	return max(min(defaultWait, time.Until(deadline)*9/10), time.Millisecond)
}

// checkSpecs returns the size of each spec in JSON, or an error that names the first wrong one.
func checkSpecs(specs []Spec) ([]int, error) {
	sizes := make([]int, len(specs))
	seen := make(map[string]int, len(specs))
	for i := range specs {
		s := &specs[i]
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("child %d%s: %w", i+1, inParentheses(s.Child), err)
		}
		if first, ok := seen[s.Child]; ok {
			return nil, fmt.Errorf("child %d: %q is the name of child %d already; a name stands for one child of the hub", i+1, s.Child, first+1)
		}
		seen[s.Child] = i
		data, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("child %d%s: %w", i+1, inParentheses(s.Child), err)
		}
		sizes[i] = len(data) + 1
	}
	return sizes, nil
}

// chunks returns where each request ends, so that this connection carries each of them.
func (c *Client) chunks(sizes []int) ([]int, error) {
	limit := int(c.nc.MaxPayload()) - requestOverhead
	for i, size := range sizes {
		if size > limit {
			return nil, fmt.Errorf("child %d: found %d bytes, NATS carries %d here; shorten its args and metadata, or raise max_payload of the NATS server or account: %w", i+1, size, limit, nats.ErrMaxPayload)
		}
	}
	return chunks(sizes, min(maxChunkBytes, limit)), nil
}

// chunks returns where each request ends, so that none names too many children or has more than limit bytes.
func chunks(sizes []int, limit int) []int {
	var ends []int
	from, bytes := 0, 0
	for i, size := range sizes {
		if i > from && (i-from == protocol.MaxStart || bytes+size > limit) {
			ends = append(ends, i)
			from, bytes = i, 0
		}
		bytes += size
	}
	if len(sizes) > 0 {
		ends = append(ends, len(sizes))
	}
	return ends
}

// batch gathers the results of several requests.
type batch struct {
	mu       sync.Mutex
	results  []ChildResult
	done     int
	err      error
	progress func(done, total int)
}

func newBatch(n int, progress func(done, total int), nameFunc func(i int) string) *batch {
	b := &batch{results: make([]ChildResult, n), progress: progress}
	for i := range b.results {
		b.results[i].Child = nameFunc(i)
	}
	return b
}

// run calls ask for each chunk, a few at a time, and returns the first error.
func (b *batch) run(ends []int, ask asking) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, chunksInFlight)
	from := 0
	for _, to := range ends {
		slots <- struct{}{}
		lo := from
		wg.Go(func() {
			defer func() { <-slots }()
			b.ask(lo, to, ask, false)
		})
		from = to
	}
	wg.Wait()
	return b.err
}

// asking asks for some children; again says that the same was asked for before, and is done.
type asking func(from, to int, again bool) ([]ChildResult, error)

// ask asks for some children, and for fewer of them at once when the hub could not send the answer: an account may
// carry less than the NATS server does.
func (b *batch) ask(from, to int, ask asking, again bool) {
	results, err := ask(from, to, again)
	var p controlError
	if to-from > 1 && errors.As(err, &p) && p.Code == protocol.CodeTooLarge {
		middle := (from + to) / 2
		b.ask(from, middle, ask, true)
		b.ask(middle, to, ask, true)
		return
	}
	b.add(from, to, results, err)
}

// add takes over the answer to one request.
func (b *batch) add(from, to int, results []ChildResult, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && len(results) != to-from {
		err = fmt.Errorf("the hub answered for %d of %d children", len(results), to-from)
	}
	if err != nil {
		b.fail(from, to, err)
	} else {
		copy(b.results[from:to], slices.Clone(results))
	}
	b.done += to - from
	if b.progress != nil {
		b.progress(b.done, len(b.results))
	}
}

func (b *batch) fail(from, to int, err error) {
	if b.err == nil {
		b.err = err
	}
	code := protocol.CodeHubNotServed
	if errors.Is(err, ErrNotStored) {
		code = protocol.CodeNotStored
	}
	for i := from; i < to; i++ {
		b.results[i].Error = &Problem{
			Code:    code,
			Message: "whether this was done is unknown: " + err.Error(),
			Try:     "the same again: children that exist with an equal spec are left as they are",
		}
	}
}
