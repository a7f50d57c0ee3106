package phub_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/permissions"
	"github.com/phub-io/phub/protocol"
)

// Who operates may change the configuration, export and import. A hub is removed with the rights that docs/wire.md names, and with
// none of them less.
func TestPermissions_OfWhoConfiguresAndRemoves(t *testing.T) {
	t.Parallel()
	removes := permissions.Permissions{
		InboxPrefix: "_INBOX_h.removes", Publish: []string{"phub.h.ctl.status"}, Subscribe: []string{"_INBOX_h.removes.>"},
	}
	for _, bucket := range []string{"nodes", "children", "placement"} {
		removes.Publish = append(removes.Publish, "$JS.API.STREAM.INFO.KV_phub_h_"+bucket, "$JS.API.STREAM.DELETE.KV_phub_h_"+bucket)
	}
	all := users(t)
	all["removes"] = removes
	for i := range removes.Publish {
		less := removes
		less.Publish = slices.Delete(slices.Clone(removes.Publish), i, i+1)
		all["without"+strconv.Itoa(i)] = less
	}
	g := newGuarded(t, natstest.ConfiguredUsers(t, all))
	g.joinAs("node", "node1")
	operator := g.clientAs("operates")
	if _, err := operator.SetHub(g.ctx(10*time.Second), phub.Config{Balance: phub.BalanceOff}, 0); err != nil {
		t.Fatal(err)
	}
	x, err := operator.Export(g.ctx(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := operator.Import(g.ctx(10*time.Second), x, false, nil); err != nil {
		t.Error(err)
	}
	if _, err := g.clientAs("asks").SetHub(g.ctx(10*time.Second), phub.Config{Balance: phub.BalanceOn}, 0); !errors.Is(err, phub.ErrDenied) {
		t.Errorf("who only asks changes the configuration: %v", err)
	}
	remove := func(user string) error { return phub.RemoveHub(g.ctx(10*time.Second), g.connect(user), "h", "") }
	if err := g.nodes["node1"].Leave(g.ctx(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	g.eventually("the hub's buckets are quiet", func() bool {
		p, lives := errors.AsType[*phub.Problem](remove("without2"))
		return !lives || p.Code != protocol.CodeConflict
	})
	for i, subject := range removes.Publish {
		if strings.Contains(subject, "DELETE") && !strings.HasSuffix(subject, "nodes") {
			continue // what it may delete before that is gone then
		}
		if err := remove("without" + strconv.Itoa(i)); !errors.Is(err, phub.ErrDenied) {
			t.Errorf("without %s: %v, want that it is denied", subject, err)
		}
	}
	if err := remove("removes"); err != nil {
		t.Errorf("with all rights: %v", err)
	}
}
