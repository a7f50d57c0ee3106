package protocol_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestDecodeBeat_BoundsTrouble(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("testdata/beat.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(example), `"report":{`) && !strings.Contains(string(example), `"report": {`) {
		t.Fatal("the example has no report")
	}
	for name, c := range map[string]struct {
		trouble []string
		ok      bool
	}{
		"none":     {nil, true},
		"the most": {many(protocol.MaxTrouble, protocol.MaxText), true},
		"too many": {many(protocol.MaxTrouble+1, 1), false},
		"too long": {many(1, protocol.MaxText+1), false},
	} {
		data := strings.Replace(strings.Replace(string(example), `"report": {`, `"report":{`, 1), `"report":{`, `"report":{"trouble":`+encoded(t, c.trouble)+`,`, 1)
		b, err := protocol.DecodeBeat([]byte(data))
		if ok := err == nil && len(b.Report.Trouble) == len(c.trouble); ok != c.ok {
			t.Errorf("%s: found %v, %d texts", name, err, len(b.Report.Trouble))
		}
		if err != nil && !strings.Contains(err.Error(), "report.trouble") {
			t.Errorf("%s: %v does not name the field", name, err)
		}
	}
}

func many(n, size int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.Repeat("x", size)
	}
	return all
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
