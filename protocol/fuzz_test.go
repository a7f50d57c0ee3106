package protocol_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// fuzzTrip checks that no bytes make a decoder panic, and that what it takes it also takes back.
func fuzzTrip(f *testing.F, name string) {
	f.Helper()
	for other := range golden {
		f.Add(readGolden(f, other))
	}
	for _, s := range []string{"", "null", "{}", "[]", `{"v":2}`, `{"v":1`, `{"v":1e0}`, `{"V":1,"replicas":null}`, "\xff"} {
		f.Add([]byte(s))
	}
	trip := golden[name]
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := trip(data)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes for %q", len(err.Error()), data)
			}
			return
		}
		twice, err := trip(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q was taken as %s, and that as %s, %v", data, once, twice, err)
		}
	})
}

func FuzzDecodeView(f *testing.F)           { fuzzTrip(f, "view") }
func FuzzDecodeEntry(f *testing.F)          { fuzzTrip(f, "entry") }
func FuzzDecodeSpec(f *testing.F)           { fuzzTrip(f, "spec") }
func FuzzDecodeNodeRecord(f *testing.F)     { fuzzTrip(f, "node_record") }
func FuzzDecodeConfig(f *testing.F)         { fuzzTrip(f, "config") }
func FuzzDecodeBeat(f *testing.F)           { fuzzTrip(f, "beat") }
func FuzzDecodeBeatAnswer(f *testing.F)     { fuzzTrip(f, "beat_answer") }
func FuzzDecodeReleaseRequest(f *testing.F) { fuzzTrip(f, "release_request") }
func FuzzDecodeReleaseAnswer(f *testing.F)  { fuzzTrip(f, "release_answer") }
func FuzzDecodeMode(f *testing.F)           { fuzzTrip(f, "mode") }
func FuzzDecodeEvent(f *testing.F)          { fuzzTrip(f, "event") }

// FuzzDerive checks what every view and entry that is taken must give.
func FuzzDerive(f *testing.F) {
	f.Add(readGolden(f, "view"), readGolden(f, "entry"))
	f.Add(readGolden(f, "view"), readGolden(f, "entry_none"))
	f.Fuzz(func(t *testing.T, viewData, entryData []byte) {
		v, err := protocol.DecodeView(viewData)
		if err != nil {
			return
		}
		e, err := protocol.DecodeEntry(entryData)
		if err != nil || e.View > v.Number {
			return
		}
		active := 0
		for _, r := range protocol.Derive(&v, &e) {
			if v.Member(r.Node) == nil || r.Epoch < e.Epoch || r.Epoch > v.Number {
				t.Errorf("role %+v of %s in %s", r, entryData, viewData)
			}
			if r.Mode == protocol.Active {
				active++
			}
		}
		if e.Exclusive && active > 1 {
			t.Errorf("%d active replicas of %s in %s", active, entryData, viewData)
		}
	})
}

var (
	tokenPattern = regexp.MustCompile(`\A[A-Za-z0-9-][A-Za-z0-9_-]{0,63}\z`)
	childPattern = regexp.MustCompile(`\A[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*\z`)
)

func addNames(f *testing.F) {
	for _, s := range []string{"", "a", "_a", "a.b", "a..b", ".", "a b", "é", "a=/b", strings.Repeat("x", 64), strings.Repeat("x", 129)} {
		f.Add(s)
	}
}

func fuzzToken(f *testing.F, validate func(string) error) {
	f.Helper()
	addNames(f)
	f.Fuzz(func(t *testing.T, name string) {
		if err := validate(name); (err == nil) != tokenPattern.MatchString(name) {
			t.Errorf("%q: %v", name, err)
		}
	})
}

func FuzzValidateHub(f *testing.F)  { fuzzToken(f, protocol.ValidateHub) }
func FuzzValidateNode(f *testing.F) { fuzzToken(f, protocol.ValidateNode) }
func FuzzValidateKind(f *testing.F) { fuzzToken(f, protocol.ValidateKind) }

func FuzzValidateChild(f *testing.F) {
	addNames(f)
	f.Fuzz(func(t *testing.T, name string) {
		want := len(name) <= 128 && childPattern.MatchString(name) && name[0] != '_'
		if err := protocol.ValidateChild(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	})
}

func FuzzParseFactor(f *testing.F) {
	for _, s := range []string{"1", "1000", "cluster_size", "-1", "99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := protocol.ParseFactor(s)
		if err != nil {
			return
		}
		if again, err := protocol.ParseFactor(n.String()); again != n || err != nil || n != protocol.ClusterSize && (n < 1 || n > protocol.MaxFactor) {
			t.Errorf("%q gives %v, which gives %v, %v", s, n, again, err)
		}
	})
}
