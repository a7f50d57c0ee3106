#!/usr/bin/env bash
# Kubernetes leader election counts in whole seconds, and has two leaders where the margin is below one (client-go 0.37.2)
#
# Expected: LeaseDuration, RenewDeadline and RetryPeriod are durations. A leader that is cut off stops RenewDeadline after its last
# renewal, the others wait LeaseDuration from the last renewal that they saw; the first being the shorter, as
# NewLeaderElector checks, there are two leaders only if clocks run at different rates, which the package's comment warns of.
#
# Happens: the lease in the record is cut to whole seconds, and the others go by the record: one of 1.9 s is one of 1 s for them. And they notice
# a renewal by comparing the record as JSON, in which the time of renewal has no fraction: of all renewals within one second they see the
# first. A leader cut off at .9 has nine tenths of a second that nobody else counts. So with 3 s and 2.7 s, too, the next leader begins while the
# old one leads. The defaults (15 s, 10 s) have a margin of 5 s; whoever tunes for a fast failover meets it.
#
# Versions: k8s.io/client-go 0.37.2. Date: 2026-11-29.
# Output seen: lease and deadline 1.9 s, 1.5 s: two leaders true, 1 second in the record; 3 s, 2.7 s: true; 3 s, 1.5 s: false.
#
# For a user: whole seconds for LeaseDuration, and more than a second plus RetryPeriod between RenewDeadline and it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	k8s.io/api v0.37.2
	k8s.io/apimachinery v0.37.2
	k8s.io/client-go v0.37.2
	k8s.io/klog/v2 v2.140.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

func main() {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		lease, deadline time.Duration
		seconds         int32
		both            bool
	}{
		{1900 * time.Millisecond, 1500 * time.Millisecond, 1, true},
		{3 * time.Second, 2700 * time.Millisecond, 3, true},
		{3 * time.Second, 1500 * time.Millisecond, 3, false},
	} {
		seconds, both := cutOff(c.lease, c.deadline)
		what := fmt.Sprint("lease ", c.lease, ", renewed within ", c.deadline)
		seen(what+": seconds in the record", seconds, c.seconds)
		seen(what+": two leaders", both, c.both)
	}
}

// cutOff cuts a leader off, late in a second, and says how many seconds its lease has in the record and whether it still
// led when the next one began to.
func cutOff(lease, deadline time.Duration) (seconds int32, both bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	at := &apiServer{}
	a, b := candidate("a", at, lease, deadline), candidate("b", at, lease, deadline)
	go a.Run(ctx)
	<-a.started
	go b.Run(ctx)
	time.Sleep(time.Second)
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1900 * time.Millisecond)))
	a.way.cut.Store(true)
	<-b.started
	both = a.leads.Load()
	at.Lock()
	defer at.Unlock()
	return *at.lease.Spec.LeaseDurationSeconds, both
}

type elector struct {
	*leaderelection.LeaderElector
	way     *way
	leads   atomic.Bool
	started chan struct{}
}

func candidate(name string, at *apiServer, lease, deadline time.Duration) *elector {
	e := &elector{way: &way{at: at}, started: make(chan struct{})}
	e.LeaderElector = must(leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: "default", Name: "lease"}, Client: e.way,
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		},
		LeaseDuration: lease, RenewDeadline: deadline, RetryPeriod: 100 * time.Millisecond,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { e.leads.Store(true); close(e.started) },
			OnStoppedLeading: func() { e.leads.Store(false) },
		},
	}))
	return e
}

// apiServer holds one lease and refuses updates of an older version of it.
type apiServer struct {
	sync.Mutex
	lease   *coordination.Lease
	version int
}

// way is a candidate's way to the API server, which can be cut.
type way struct {
	client.LeaseInterface
	at  *apiServer
	cut atomic.Bool
}

func (w *way) Leases(string) client.LeaseInterface { return w }

func (w *way) Get(context.Context, string, metav1.GetOptions) (*coordination.Lease, error) {
	w.at.Lock()
	defer w.at.Unlock()
	if w.cut.Load() {
		return nil, errors.New("no route to host")
	}
	if w.at.lease == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "leases"}, "lease")
	}
	return w.at.lease.DeepCopy(), nil
}

func (w *way) Create(ctx context.Context, l *coordination.Lease, _ metav1.CreateOptions) (*coordination.Lease, error) {
	l.ResourceVersion = "0"
	return w.Update(ctx, l, metav1.UpdateOptions{})
}

func (w *way) Update(_ context.Context, l *coordination.Lease, _ metav1.UpdateOptions) (*coordination.Lease, error) {
	w.at.Lock()
	defer w.at.Unlock()
	if w.cut.Load() {
		return nil, errors.New("no route to host")
	}
	if l.ResourceVersion != strconv.Itoa(w.at.version) {
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, "lease", nil)
	}
	w.at.version++
	w.at.lease = l.DeepCopy()
	w.at.lease.ResourceVersion = strconv.Itoa(w.at.version)
	return w.at.lease.DeepCopy(), nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// seen compares what happens with what this finding says. Any difference means that the finding has changed.
func seen(what string, got, want any) {
	fmt.Printf("%s: %v\n", what, got)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		fmt.Printf("changed: it was %v\n", want)
		os.Exit(1)
	}
}
EOF
timeout -k 5 300 go run .
echo "unchanged"
