package jetstream

import (
	"context"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// StorageFinding is how much of what it may an account stores on disk.
type StorageFinding struct {
	Tier  string // such as R3, if the account has tiers: limits for each number of replicas; else ""
	Used  uint64 // bytes
	Limit int64  // bytes; below 0: none for the account
}

// storage asks what the account uses of its limits. A server's own limit is not told to accounts.
func (x *examiner) storage(ctx context.Context) {
	info, err := x.s.js.AccountInfo(ctx)
	if err != nil {
		return // it was answered a moment ago: what is wrong is found by the others
	}
	x.Storage = storageOf(info)
}

func storageOf(info *jetstream.AccountInfo) []StorageFinding {
	if len(info.Tiers) == 0 {
		return []StorageFinding{{Used: info.Store, Limit: info.Limits.MaxStore}}
	}
	var all []StorageFinding
	for _, name := range slices.Sorted(maps.Keys(info.Tiers)) {
		t := info.Tiers[name]
		all = append(all, StorageFinding{name, t.Store, t.Limits.MaxStore})
	}
	return all
}
