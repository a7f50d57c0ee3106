package protocol_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestAnnouncedKinds(t *testing.T) {
	t.Parallel()
	if got := protocol.AnnouncedKinds(map[string]bool{"b": true, "a": false}); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("found %q", got)
	}
	many := map[string]int{}
	for i := range 100 {
		many[fmt.Sprintf("kind%07d", i)] = i
	}
	if got := protocol.AnnouncedKinds(many); got != nil {
		t.Errorf("found %d kinds of 1200 bytes, expected none", len(got))
	}
	for _, m := range []protocol.Member{{}, {Kinds: []string{"a", "b"}}} {
		if !m.Runs("a") || m.Runs("c") != (m.Kinds == nil) {
			t.Errorf("%v: runs a %t, c %t", m.Kinds, m.Runs("a"), m.Runs("c"))
		}
	}
}

func TestDecodeBeat_KindsAreBounded(t *testing.T) {
	t.Parallel()
	const beat = `{"v":1,"node":"n","incarnation":"i","number":1,"conn":{},"status":"up","view":1,"confirms":{},"report":{"settled":0,"children":0,"active":0},"kinds":[%s]}`
	for kinds, want := range map[string]string{
		`"a","b"`: "", `"a b"`: "kinds[0]", `"a","` + strings.Repeat("x", 65) + `"`: "kinds[1]",
		strings.TrimSuffix(strings.Repeat(`"abcdefghijklmno",`, 65), ","): "kinds: found 65 kinds, of 1040 bytes, allowed is at most 1024 bytes",
	} {
		_, err := protocol.DecodeBeat(fmt.Appendf(nil, beat, kinds))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40s: found %v, expected %q", kinds, err, want)
		}
	}
}
