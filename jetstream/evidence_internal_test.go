package jetstream

import (
	"testing"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

func TestJudge_BelievesOnlyTheServerThatHeldTheConnection(t *testing.T) {
	t.Parallel()
	c := protocol.Conn{Server: "S", Client: 7}
	for answer, want := range map[string]view.Evidence{
		`{"server":{"id":"S"},"data":{"server_id":"S","connections":[{"cid":7}]}}`:             view.Open,
		`{"server":{"id":"S"},"data":{"server_id":"S","connections":[]}}`:                      view.Closed,
		`{"server":{"id":"T"},"data":{"server_id":"T","connections":[]}}`:                      view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"T","connections":[]}}`:                      view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"","connections":null}}`:                     view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"S"}}`:                                       view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"S","connections":[{"cid":8}]}}`:             view.Unknown,
		`{"server":{"id":"S"},"error":{"code":500,"description":"x"}}`:                         view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"S","connections":[]},"error":{"code":500}}`: view.Unknown,
		`{"server":{"id":"S"}}`: view.Unknown,
		`junk`:                  view.Unknown,
		``:                      view.Unknown,
	} {
		if got := judge(c, []byte(answer)).evidence; got != want {
			t.Errorf("%s: %v, want %v", answer, got, want)
		}
	}
	if got := judge(protocol.Conn{}, []byte(`{"server":{"id":""},"data":{"server_id":"","connections":[]}}`)).evidence; got != view.Unknown {
		t.Errorf("a connection without a server: %v", got)
	}
}
