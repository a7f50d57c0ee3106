// Package replica is one replica's life on its node, as a pure machine: events and the time come in,
// actions go out. It decides when the replica is started, restarted and given up, when requests are
// taken for it, and the one thing that everything rests on: whether it may serve at this moment.
//
//	          entitled, none to wait for
//	Passive ─────────────────────────────▶ Active ◀──────────┐ entitled again
//	 ▲  │ ▲                                 │ │              │
//	 │  │ └──────────┐ not entitled         │ │ another is   │
//	 │  ▼            │                      │ │ to follow    │
//	 │ Holding ──────┴─▶ Active             │ └─────────▶ Lingering
//	 │   all released                       ▼                │
//	 └─────────────────────────────────  Draining ◀──────────┘ released, stopped,
//	    all that was taken is finished                         or the trust is lost
//
// A machine does nothing by itself. Who drives it carries the actions out in order, and tells it
// what came of them by events. It must be driven from one goroutine at a time.
package replica
