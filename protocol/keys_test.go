package protocol_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// keysOf returns keys whose first is made of one byte.
func keysOf(b byte) *protocol.Keys {
	return protocol.NewKeys(bytes.NewReader(bytes.Repeat([]byte{b}, 64)))
}

// signed returns a value of which sig is the last field, with a signature.
func signed(t testing.TB, keys *protocol.Keys, v any, sig *string) []byte {
	t.Helper()
	var b []byte
	for _, text := range []bool{true, false} {
		var err error
		if b, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
		if text {
			*sig = keys.Sign(protocol.SignedText(b))
		}
	}
	return b
}

func TestKeys_SignWhatAnIncarnationWrote(t *testing.T) {
	t.Parallel()
	keys := keysOf(1)
	id := keys.NewID()
	rec := protocol.NodeRecord{V: 1, Incarnation: protocol.Incarnation{Node: "node1", ID: id}, Status: protocol.Up}
	value := signed(t, keys, &rec, &rec.Sig)
	if _, err := protocol.DecodeNodeRecord(value); err != nil {
		t.Fatal(err)
	}
	text, sig := protocol.SplitSignature(value)
	if !keysOf(2).Verify(id, text, sig) {
		t.Fatal("nobody else believes the signature")
	}
	if other := keysOf(2).NewID(); keys.Verify(other, text, sig) {
		t.Error("the signature counts as another incarnation's")
	}
	for i := range value {
		for _, bit := range []byte{1, 0x20} {
			changed := bytes.Clone(value)
			changed[i] ^= bit
			if text, sig := protocol.SplitSignature(changed); keys.Verify(id, text, sig) {
				t.Errorf("the signature stands for %q, too", changed)
			}
		}
	}
	for _, changed := range []string{
		strings.Replace(string(value), `"sig":`, `"new":1,"sig":`, 1), // a field that this phub does not know
		strings.Replace(string(value), `{`, `{ `, 1),
		string(value) + "\n",
		strings.TrimSuffix(string(value), "}") + `,"x":""}`,
	} {
		if text, sig := protocol.SplitSignature([]byte(changed)); keys.Verify(id, text, sig) {
			t.Errorf("the signature stands for %q, too", changed)
		}
	}
}

func TestKeys_NameIncarnationsAfterThem(t *testing.T) {
	t.Parallel()
	keys := keysOf(1)
	keys.NewID()
	sig := keys.Sign([]byte("x"))
	keys = protocol.NewKeys(bytes.NewReader([]byte(strings.Repeat("a", 32) + strings.Repeat("b", 32))))
	first, second := keys.NewID(), keys.NewID()
	if first == second {
		t.Errorf("found %s twice", first)
	}
	if !keys.Verify(second, []byte("x"), keys.Sign([]byte("x"))) || keys.Verify(second, []byte("x"), sig) {
		t.Error("the last incarnation does not sign, or another one does")
	}
	if len(second) != 36 || second[14] != '8' || !strings.ContainsRune("89ab", rune(second[19])) {
		t.Errorf("found %s, expected a UUID of version 8", second)
	}
}

// TestSignature_IsTheLastField holds that a signature covers all fields of a value.
func TestSignature_IsTheLastField(t *testing.T) {
	t.Parallel()
	for _, v := range []any{protocol.View{}, protocol.NodeRecord{}} {
		typ := reflect.TypeOf(v)
		if last := typ.Field(typ.NumField() - 1); last.Tag.Get("json") != "sig,omitempty" {
			t.Errorf("%v: found %s last, expected Sig", typ, last.Name)
		}
	}
}

// TestGolden_AreSigned checks the signatures of the golden values: whoever writes phub's values in another language can
// try its own on them.
func TestGolden_AreSigned(t *testing.T) {
	t.Parallel()
	view, err := protocol.DecodeView(readGolden(t, "view"))
	if err != nil {
		t.Fatal(err)
	}
	authors := map[string]string{"view": view.Coordinator.ID}
	for _, name := range []string{"node_record", "node_record_lost"} {
		rec, err := protocol.DecodeNodeRecord(readGolden(t, name))
		if err != nil {
			t.Fatal(err)
		}
		authors[name] = rec.Author()
	}
	for name, id := range authors {
		value := bytes.TrimSpace(readGolden(t, name))
		if text, sig := protocol.SplitSignature(value); !keysOf(9).Verify(id, text, sig) {
			t.Errorf("%s: not signed by %s", name, id)
		}
	}
}

func BenchmarkKeys_Verify(b *testing.B) {
	keys := keysOf(1)
	id, text := keys.NewID(), bytes.Repeat([]byte("x"), 400)
	sig := keys.Sign(text)
	for b.Loop() {
		if !keys.Verify(id, text, sig) {
			b.Fatal("not verified")
		}
	}
}

func BenchmarkKeys_Sign(b *testing.B) {
	keys := keysOf(1)
	keys.NewID()
	text := bytes.Repeat([]byte("x"), 400)
	for b.Loop() {
		keys.Sign(text)
	}
}
