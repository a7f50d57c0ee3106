package phub

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/phub-io/phub/protocol"
)

// Update is what a child that runs is to be from now on: its whole spec, and the revision that it was made from.
type Update = protocol.Update

// Update changes children that run, and waits, 10 s at most, until the changes are complete. The results are in the order of
// updates.
//
// Redundancy, restart policy, handler limit and metadata are taken over by the workers that run; what these were told of
// metadata at their start stays. Another kind or other args need another worker: replicas are replaced one after the other, the active one
// when a new one is ready, so clients see nothing of it. If a new worker does not run, the change is taken back
// everywhere, and the result's error, with code 500, says why. Only a child for which there is no second node has a
// pause: its worker is replaced where it is, and requests wait meanwhile.
//
// Where Revision is not 0 and the child's spec has another one by now, the child is left as it is, and its error has code 409:
// [Client.Info] has spec and revision. A child that is what it is to be is no error. Errors are else as for [Client.Start].
func (c *Client) Update(ctx context.Context, updates []Update, progress func(done, total int)) ([]ChildResult, error) {
	specs := make([]Spec, len(updates))
	for i := range updates {
		specs[i] = updates[i].Spec
	}
	if _, err := checkSpecs(specs); err != nil {
		return nil, err
	}
	sizes := make([]int, len(updates))
	for i := range updates {
		data, err := json.Marshal(&updates[i])
		if err != nil {
			return nil, fmt.Errorf("change child %s: %w", updates[i].Spec.Child, err)
		}
		sizes[i] = len(data) + 1
	}
	ctx, cancel := withTimeout(ctx, controlTimeout(len(updates)))
	defer cancel()
	ends, err := c.chunks(sizes)
	if err != nil {
		return nil, fmt.Errorf("change children: %w", err)
	}
	b := newBatch(len(updates), progress, func(i int) string { return updates[i].Spec.Child })
	err = b.run(ends, func(from, to int, _ bool) ([]ChildResult, error) {
		var resp protocol.UpdateResponse
		wait := waitWithin(ctx)
		err := c.control(ctx, protocol.VerbUpdate, protocol.UpdateRequest{Children: updates[from:to], Wait: Duration(wait)}, wait, &resp)
		return resp.Results, err
	})
	return b.results, cmp.Or(err, notAsAsked(b.results))
}
