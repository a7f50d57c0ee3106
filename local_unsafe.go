//go:build phub_unsafe

package phub

import (
	"math"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/worker"
)

// localOf returns a running side whose lease never ends. With the build tag phub_unsafe a node goes on
// serving when the others have given it up: end-to-end tests build it to show that they notice.
func localOf(h *worker.Host) coordinator.Local { return trusting{h} }

type trusting struct{ *worker.Host }

// Trust hands on that there is trust, without its end, and never that there is none any more.
func (t trusting) Trust(until int64, reason string) {
	if until > 0 {
		t.Host.Trust(math.MaxInt64/2, reason)
	}
}
