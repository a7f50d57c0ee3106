package view

import (
	"testing"
	"time"
)

// A hint is good for one read: whatever somebody speaks of, nothing waits for it after that.
func TestFeed_AHintIsGoodForOneRead(t *testing.T) {
	t.Parallel()
	var f feed
	f.caughtUp(10)
	for _, revision := range []uint64{11, 1 << 53, 12} {
		f.hinted(revision, time.Second)
	}
	if f.wants(0) || !f.wants(time.Second) || !f.Synced() {
		t.Errorf("after the hints: wants %t before its time, %t at it, synced %t", f.wants(0), f.wants(time.Second), f.Synced())
	}
	if got := f.covered(); got != 1<<53 || f.wants(time.Hour) {
		t.Errorf("a read begins: it covers %d, and another one is wanted: %t", got, f.wants(time.Hour))
	}
	f.hinted(11, 2*time.Second) // while it is under way
	f.caughtUp(10)
	if !f.wants(2 * time.Second) {
		t.Error("what was heard during the read is not read")
	}
	f.caughtUp(11)
	if f.wants(time.Hour) {
		t.Error("what was read is to be read")
	}
}

func TestFeed_ReadsAtTheEarliestTime(t *testing.T) {
	t.Parallel()
	var f feed
	f.hinted(3, 2*time.Second)
	f.hinted(4, time.Second)
	f.hinted(5, 3*time.Second)
	if f.wants(time.Second-1) || !f.wants(time.Second) {
		t.Errorf("due at %v", f.due)
	}
	f.covered()
	f.hinted(6, 3*time.Second)
	if f.wants(3*time.Second - 1) {
		t.Error("the time of a hint that is no more counts")
	}
	f.lost()
	if f.wants(time.Hour) || f.Synced() {
		t.Error("after the connection was lost")
	}
}
