package protocol_test

import (
	"encoding/json"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// A node of a build before roles were handed on passes the answer to its client, which asks again only if it knows the code.
func TestProblem_AnswerOfWhoHandsItsRoleOnIsKnownToAll(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]struct{ code, cause string }{
		protocol.CodeHandedOn: {"507", protocol.CauseHandedOn}, protocol.CodeConflict: {"409", ""},
	} {
		header, data := (&protocol.Problem{Code: code, Message: "m", Try: "t"}).Answer()
		var p protocol.Problem
		if err := json.Unmarshal(data, &p); err != nil || header[protocol.HeaderErrorCode][0] != want.code || header[protocol.HeaderError][0] != "m; try: t" {
			t.Errorf("code %d: found %v, %s, %v", code, header, data, err)
		}
		if p.Code == protocol.CodeHandedOn {
			t.Errorf("code %d: the data has it: %s", code, data)
		}
		if c := header[protocol.HeaderCause]; want.cause == "" && len(c) != 0 || want.cause != "" && (len(c) != 1 || c[0] != want.cause) {
			t.Errorf("code %d: found cause %q, want %q", code, c, want.cause)
		}
	}
}
