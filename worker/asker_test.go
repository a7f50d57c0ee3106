package worker_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// A successor asks for the release only when all servers know of its subscription: until then the one before goes on.
func TestHost_AsksForReleaseOnceAllServersKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n1, n2 := newNode(t, b, "n1", echo()), newNode(t, b, "n2", echo())
		defer n1.stop(t)
		defer n2.stop(t)
		n2.spread = 25 * time.Millisecond
		n1.trust(time.Hour)
		n2.trust(time.Hour)
		n1.assign(1, active("a", 1))
		n2.assign(1, passive("a", 1))
		synctest.Wait()
		n1.assign(2, passive("a", 2))
		n2.assign(2, active("a", 2, after("n1")))
		synctest.Wait()
		time.Sleep(n2.spread - time.Nanosecond)
		synctest.Wait()
		if !n1.isOpen("a") || !n2.isOpen("a") {
			t.Fatalf("open on n1 %t, on n2 %t; both are to take requests until all servers know of n2", n1.isOpen("a"), n2.isOpen("a"))
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n1.isOpen("a") || !n2.isOpen("a") {
			t.Fatalf("open on n1 %t, on n2 %t; the release is due", n1.isOpen("a"), n2.isOpen("a"))
		}
	})
}
