package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// opened is a golden value without its last brace.
func opened(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSuffix(strings.TrimSpace(string(readGolden(t, name))), "}")
}

// A node of this build writes again what one of a later build stored, and leaves what it does not know as it was.
func TestUnknownFields_SurviveARewrite(t *testing.T) {
	t.Parallel()
	const later = `,"durable":{"since":[1,2,{"x":"y"}]},"zeal":7}`
	for name, rewrite := range map[string]func(data []byte) (any, error){
		"spec": func(data []byte) (any, error) {
			s, err := protocol.DecodeSpec(data)
			full := s.WithDefaults(protocol.Redundancy{})
			return full, err
		},
		"spec, with another one's workers": func(data []byte) (any, error) {
			s, err := protocol.DecodeSpec(data)
			return s.WithWorker(&protocol.Spec{Kind: "other"}), err
		},
		"spec that follows on it": func(data []byte) (any, error) {
			s, err := protocol.DecodeSpec(data)
			next := protocol.Spec{Child: s.Child, Kind: s.Kind}
			next.KeepUnknown(&s)
			return next, err
		},
		"config": func(data []byte) (any, error) {
			c, err := protocol.DecodeConfig(data)
			return c.Changed([]string{"balance"}, 7), err
		},
		"config, changed": func(data []byte) (any, error) {
			c, err := protocol.DecodeConfig(data)
			next, _, wrong := c.With(protocol.Config{Balance: protocol.BalanceOff})
			if err == nil {
				err = wrong
			}
			return next.Or(protocol.Config{}), err
		},
	} {
		file, _, _ := strings.Cut(strings.ReplaceAll(name, " ", ","), ",")
		value, err := rewrite([]byte(opened(t, file) + later))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := json.Marshal(value)
		if err != nil || !strings.HasSuffix(string(again), later) {
			t.Errorf("%s: written again as %s, %v; want it to end in %s", name, again, err, later)
		}
	}
}

// So does what a spec is being changed to.
func TestUnknownFields_OfAChangeSurvive(t *testing.T) {
	t.Parallel()
	spec := opened(t, "spec")
	s, err := protocol.DecodeSpec([]byte(spec + `,"change":` + spec + `,"new":[1]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(s.Changed()); err != nil || !strings.HasSuffix(string(again), `,"new":[1]}`) {
		t.Errorf("became %s, %v", again, err)
	}
}

// What a request says beside what this build knows is ignored, as ever: nobody looked at it. Names that differ in their case only are known.
func TestUnknownFields_AreKeptOfStoredValuesOnly(t *testing.T) {
	t.Parallel()
	var r protocol.StartRequest
	if err := protocol.DecodeRequest([]byte(`{"children":[{"child":"a","kind":"k","odd":1}]}`), &r); err != nil {
		t.Fatal(err)
	}
	if data, err := json.Marshal(r.Children[0]); err != nil || strings.Contains(string(data), "odd") {
		t.Errorf("kept: %s, %v", data, err)
	}
	spec := opened(t, "spec")
	s, err := protocol.DecodeSpec([]byte(strings.Replace(spec, `"kind"`, `"KIND"`, 1) + "}"))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := json.Marshal(s); err != nil || strings.Contains(string(data), "KIND") {
		t.Errorf("kept: %s, %v", data, err)
	}
	if _, err := protocol.DecodeSpec([]byte(spec + `,"odd":"` + strings.Repeat("x", 16<<10) + `"}`)); err == nil || !strings.Contains(err.Error(), "at most 16384") {
		t.Errorf("too much: %v", err)
	}
}
