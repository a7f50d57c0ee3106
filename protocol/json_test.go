package protocol_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestDecode_RefusesWhatPhubWouldNotWrite(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		file     string
		old, new string // what to replace in the golden file
		field    string
		says     string
	}{
		{"a later version", "view", `"v":1`, `"v":2`, "v", "upgrade"},
		{"a later version that is not understood", "view", `{"v":1,"view":42`, `{"v":2,"view":"forty"`, "v", "upgrade"},
		{"no version", "entry", `"v":1,`, ``, "v", "found nothing"},
		{"a negative version", "entry", `"v":1,`, `"v":-1,`, "v", "found -1"},
		{"text that is no JSON", "entry", `{"v"`, `hello`, "value", "a JSON object"},
		{"JSON that goes on", "entry", `"moving"`, `}{"moving"`, "value", "byte"},
		{"an array", "spec", `{"v":1,`, `[{"v":1,`, "value", "JSON"},
		{"a string for a number", "view", `"view":42`, `"view":"42"`, "view", "whole number"},
		{"a fraction", "entry", `"view":42`, `"view":4.2`, "view", "whole number"},
		{"a negative number", "entry", `"epoch":42`, `"epoch":-42`, "epoch", "not negative"},
		{"a wrong type in an embedded field", "node_record", `"incarnation":"b6`, `"incarnation":7,"x":"`, "incarnation", "a JSON string"},
		{"view zero", "view", `"view":42`, `"view":0`, "view", "1 to"},
		{"a view larger than JSON readers can hold", "view", `"view":42`, `"view":18446744073709551615`, "view", "1 to"},
		{"a view without a coordinator", "view", `"coordinator":{"node":"node2"`, `"coordinator":{"node":""`, "coordinator.node", "nothing"},
		{"an incarnation that could be a wildcard", "view", `"incarnation":"0e9c7f6b`, `"incarnation":"0e9c.*`, "members[1].incarnation", "A-Z"},
		{"a member twice", "view", `"node":"node3"`, `"node":"node2"`, "members[1].node", "again"},
		{"a member from the future", "view", `"since":3`, `"since":43`, "members[1].since", "1 to 42"},
		{"a negative capacity", "view", `"capacity":2`, `"capacity":-2`, "members[0].capacity", "1000000"},
		{"a departure before the arrival", "view", `"until":42`, `"until":1`, "gone[0].until", "2 to 42"},
		{"a commit of nothing", "view", `"batch":3`, `"batch":0`, "batch", "1 to 1000"},
		{"a commit of less than nothing", "view", `"batch":3`, `"batch":-3`, "batch", "1 to 1000"},
		{"a replica twice", "entry", `"node":"node3"`, `"node":"node2"`, "replicas[1].node", "again"},
		{"a mode that does not exist", "entry", `"passive"`, `"leader"`, "replicas[1].mode", "active or passive"},
		{"a node whose name is a subject", "entry", `"after":["node1"]`, `"after":["a.>"]`, "after[0]", "only"},
		{"a failure on no node", "entry", `"node":"node4"`, `"node":""`, "failed[0].node", "nothing"},
		{"an epoch later than the view", "entry", `"epoch":42`, `"epoch":43`, "epoch", "1 to 42"},
		{"epoch zero", "entry", `"epoch":42`, `"epoch":0`, "epoch", "1 to 42"},
		{"an entry of no view", "entry", `"view":42`, `"view":0`, "view", "1 to"},
		{"a child's name with a hole", "spec", `orders.eu.7`, `orders..7`, "child", "single dots"},
		{"a stored spec without a strategy", "spec", `"strategy":"replication",`, ``, "redundancy.strategy", "found nothing"},
		{"a stored spec without a factor", "spec", `"replication_factor":2,`, ``, "redundancy.replication_factor", "found nothing"},
		{"a stored spec without a limit of restarts", "spec", `"max":5,`, ``, "restart.max", "1 to"},
		{"a factor of words", "spec", `"replication_factor":2`, `"replication_factor":"many"`, "replication_factor", "cluster_size"},
		{"a factor of zero", "spec", `"replication_factor":2`, `"replication_factor":0`, "replication_factor", "1 to 1000"},
		{"replicas of a singularity", "spec", `"strategy":"replication"`, `"strategy":"singularity"`, "redundancy.replication_factor", "1 with"},
		{"a duration without a unit", "config", `"lease":"2s"`, `"lease":2`, "duration", "2s"},
		{"a lease shorter than three heartbeats", "config", `"lease":"2s"`, `"lease":"1s"`, "lease", "three heartbeats"},
		{"a stored configuration that leaves the model open", "config", `"replication_model":"active_active",`, ``, "redundancy.replication_model", "nothing"},
		{"a status that does not exist", "node_record", `"up"`, `"fine"`, "status", "draining"},
		{"a negative lease", "node_record", `"lease":"2s"`, `"lease":"-2s"`, "lease", "0 to 1h"},
		{"a fence by nobody", "node_record_lost", `"by":"node2"`, `"by":"node 2"`, "by", "only"},
		{"a label without a name", "node_record", `{"zone":"a"}`, `{"":"a"}`, "labels", "without a name"},
		{"a beat that waits for no child", "beat", `["orders.eu.7"]`, `[""]`, "report.waiting[0]", "nothing"},
		{"a beat that failed at nothing", "beat", `"child":"cache"`, `"child":"*"`, "report.failed[0].child", "only"},
		{"a connection with a strange server", "beat", `"conn":{"server":"NBX4"`, `"conn":{"server":"a b"`, "conn.server", "A-Z"},
		{"an answer that accepts and refuses", "beat_answer_refused", `"accepted":false`, `"accepted":true`, "refused", "nothing"},
		{"a release of no view", "release_request", `"view":42`, `"view":0`, "children[0].view", "1 or more"},
		{"a released wildcard", "release_answer", `"orders.eu.7"`, `">"`, "released[0]", "only"},
		{"a mode message of no mode", "mode", `"active"`, `""`, "mode", "nothing"},
		{"an event of no type", "event", `"child_moved"`, `""`, "type", "nothing"},
		{"an event of a foreign hub", "event", `"my_hub"`, `"my.hub"`, "hub", "only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			data := string(readGolden(t, tc.file))
			if !strings.Contains(data, tc.old) {
				t.Fatalf("%s does not contain %s", tc.file, tc.old)
			}
			_, err := golden[tc.file]([]byte(strings.Replace(data, tc.old, tc.new, 1)))
			var field *protocol.FieldError
			if !errors.As(err, &field) || field.Field != tc.field || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got error %v, want one of field %q that says %q", err, tc.field, tc.says)
			}
		})
	}
}

func TestDecode_RefusesEmptyNullAndHuge(t *testing.T) {
	t.Parallel()
	huge := []byte(`{"v":1,"reason":"` + strings.Repeat("x", protocol.MaxValueBytes) + `"}`)
	for name, trip := range golden {
		if strings.HasSuffix(name, "_response") || name != "release_request" && strings.HasSuffix(name, "_request") {
			continue // the facade's own
		}
		for _, data := range [][]byte{nil, []byte("null"), []byte("{}"), []byte("[]"), []byte("\x00\xff"), huge} {
			if got, err := trip(data); err == nil {
				t.Errorf("%s: %.20q was taken as %s", name, data, got)
			} else if len(err.Error()) > 400 {
				t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
			}
		}
	}
}

func TestDecode_TakesAnEventOfANewType(t *testing.T) {
	t.Parallel()
	e, err := protocol.DecodeEvent([]byte(`{"hub":"h","type":"moon_rose","view":3}`))
	if err != nil || e.Type != "moon_rose" {
		t.Errorf("got %+v, %v", e, err)
	}
}
