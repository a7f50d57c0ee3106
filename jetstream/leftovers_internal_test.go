package jetstream

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// leftoverTest opens a session and returns what it logs.
func leftoverTest(t *testing.T) (*Session, *bytes.Buffer) {
	t.Helper()
	srv := natstest.Single(t)
	logged := &bytes.Buffer{}
	s, err := Open(t.Context(), Config{
		Hub: "h", Node: "n", Logger: slog.New(slog.NewTextHandler(logged, nil)),
		Dial: func(o ...nats.Option) (*nats.Conn, error) { return nats.Connect(srv.URL(), o...) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, logged
}

func fillBucket(t *testing.T, s *Session) {
	t.Helper()
	for i := range 20 {
		if _, err := s.WriteSpecs(t.Context(), []view.Write{{Key: fmt.Sprintf("c%d", i), Value: []byte("{}")}}); err != nil {
			t.Fatal(err)
		}
	}
}

// wantEmpty fails the test if the children bucket holds anything but markers.
func wantEmpty(t *testing.T, s *Session) {
	t.Helper()
	records, last, err := s.Since(t.Context(), protocol.ChildrenBucket, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if !r.Deleted {
			t.Fatalf("the bucket begins with %q at %d of %d", r.Key, r.Revision, last)
		}
	}
}

// A bucket that is made right after its namesake was deleted holds, in a quarter of the cases, all that that one held.
func TestSession_BucketsMadeAnewAreEmpty(t *testing.T) {
	t.Parallel()
	s, logged := leftoverTest(t)
	for range 30 {
		fillBucket(t, s)
		if err := s.js.DeleteStream(t.Context(), s.stream(protocol.ChildrenBucket)); err != nil {
			t.Fatal(err)
		}
		if err := s.ensureBucket(t.Context(), protocol.ChildrenBucket); err != nil {
			t.Fatal(err)
		}
		wantEmpty(t, s)
	}
	t.Logf("%d of 30 held what the deleted one held", strings.Count(logged.String(), "taken away"))
}

// What the server does by chance is here as it looks then: a bucket of this session, with records that are older.
func TestSession_ClearsLeftovers(t *testing.T) {
	t.Parallel()
	s, logged := leftoverTest(t)
	fillBucket(t, s)
	info, err := s.streamInfo(t.Context(), protocol.ChildrenBucket)
	if err != nil {
		t.Fatal(err)
	}
	created := info.Created
	if s.leftovers(info) {
		t.Errorf("made at %v, with a first record of %v: it has leftovers", created, info.State.FirstTime)
	}
	info.Created = time.Now().Add(time.Second)
	other := *info
	other.Config.Metadata = map[string]string{madeBy: "another"}
	if s.leftovers(&other) {
		t.Error("a bucket that another session made, or that was restored, has leftovers")
	}
	info.State.LastSeq-- // somebody wrote meanwhile: it is looked at again
	if info, err = s.clearLeftovers(t.Context(), protocol.ChildrenBucket, info); err != nil || info.Created != created {
		t.Errorf("made at %v, expected %v: %v", info.Created, created, err)
	}
	if info.Created = time.Now().Add(time.Second); !s.leftovers(info) {
		t.Fatal("nothing is left over")
	}
	if _, err = s.clearLeftovers(t.Context(), protocol.ChildrenBucket, info); err != nil {
		t.Fatal(err)
	}
	wantEmpty(t, s)
	if !strings.Contains(logged.String(), "records=20") {
		t.Errorf("logged: %s", logged)
	}
	fillBucket(t, s)
}
