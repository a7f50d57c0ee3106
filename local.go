//go:build !phub_unsafe

package phub

import (
	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/worker"
)

// localOf returns the running side as the deciding side knows it.
func localOf(h *worker.Host) coordinator.Local { return h }
