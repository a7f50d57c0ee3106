package jetstream

import (
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestReportedConn_TakesOnlyReportsOnTheHubsNodes(t *testing.T) {
	t.Parallel()
	want := protocol.Conn{Server: "S", Client: 7}
	for report, ours := range map[string]bool{
		`{"server":{"id":"S"},"client":{"id":7,"name":"phub h n1"},"reason":"Kicked"}`: true,
		`{"server":{"id":"S"},"client":{"id":7,"name":"phub h2 n1"}}`:                  false,
		`{"server":{"id":"S"},"client":{"id":7,"name":"mine"},"reason":"phub h n1"}`:   false,
		`{"server":{"id":""},"client":{"id":7,"name":"phub h n1"}}`:                    false,
		`{"server":{"id":"S"},"client":{"id":0,"name":"phub h n1"}}`:                   false,
		`{"server":{"id":"S"},"client":{"id":-7,"name":"phub h n1"}}`:                  false,
		`{"server":"S","client":{"id":7,"name":"phub h n1"}}`:                          false,
		`{"client":{"name":"phub h n1"}}`:                                              false,
		`phub h n1`:                                                                    false,
		`[]`:                                                                           false,
		``:                                                                             false,
	} {
		if c, ok := reportedConn("h", []byte(report)); ok != ours || ok && c != want {
			t.Errorf("%s: %v, %v; want one of the hub's nodes: %v", report, c, ok, ours)
		}
	}
}

func TestIsServerID_LetsNothingElseIntoASubject(t *testing.T) {
	t.Parallel()
	id := "N" + strings.Repeat("A7", 27) + "B"
	if !isServerID(id) {
		t.Errorf("%s: not taken as a server's id", id)
	}
	for _, bad := range []string{"", "N", id[1:] + "A", id + "A", id[:55], id[:55] + ".", id[:55] + "*", id[:54] + ">.", strings.ToLower(id)} {
		if isServerID(bad) {
			t.Errorf("%s: taken as a server's id", bad)
		}
	}
}
