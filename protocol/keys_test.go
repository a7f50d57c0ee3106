package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
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

// TestGolden_MessagesAreSigned checks the same of what nodes send each other, each message in its place and in no other.
func TestGolden_MessagesAreSigned(t *testing.T) {
	t.Parallel()
	b, err := protocol.OpenBeat(beatSubject, readGolden(t, "beat"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := protocol.OpenReleaseRequest(releaseSubject, readGolden(t, "release_request"))
	if err != nil {
		t.Fatal(err)
	}
	opens := map[string]func(subject string, data []byte) error{
		"beat": func(subject string, data []byte) error { _, err := protocol.OpenBeat(subject, data); return err },
		"beat_answer": func(subject string, data []byte) error {
			_, err := protocol.OpenBeatAnswer(subject, &b, data)
			return err
		},
		"release_request": func(subject string, data []byte) error {
			_, err := protocol.OpenReleaseRequest(subject, data)
			return err
		},
		"release_answer": func(subject string, data []byte) error {
			_, err := protocol.OpenReleaseAnswer(subject, &r, data)
			return err
		},
	}
	subjects := map[string]string{
		"beat": beatSubject, "beat_answer": beatSubject, "beat_answer_refused": beatSubject,
		"release_request": releaseSubject, "release_answer": releaseSubject,
	}
	for name, subject := range subjects {
		data := readGolden(t, name)
		for as, open := range opens {
			own := as == strings.TrimSuffix(name, "_refused")
			if err := open(subject, data); (err == nil) != own {
				t.Errorf("%s taken as %s: %v", name, as, err)
			}
			for _, other := range []string{"phub.other.int.coord.beat", "phub.my_hub.int.node.node3.release", ""} {
				if err := open(other, data); err == nil {
					t.Errorf("%s taken as %s on %q", name, as, other)
				}
			}
		}
		for i := range data {
			changed := bytes.Clone(data)
			changed[i] ^= 1
			if err := opens[strings.TrimSuffix(name, "_refused")](subject, changed); err == nil {
				t.Errorf("the signature stands for %q, too", changed)
			}
		}
		unsigned, _ := protocol.SplitSignature(data)
		if err := opens[strings.TrimSuffix(name, "_refused")](subject, append(bytes.Clone(unsigned), '}')); err == nil || !strings.Contains(err.Error(), "sig: found nothing") {
			t.Errorf("%s without a signature: %v", name, err)
		}
	}
	b.Number++
	r.Number++
	for _, name := range []string{"beat_answer", "release_answer"} {
		if err := opens[name](subjects[name], readGolden(t, name)); err == nil || !strings.Contains(err.Error(), "to: found an answer to request") {
			t.Errorf("%s to another request: %v", name, err)
		}
	}
}

// What a message's signature covers is never what a stored value's does.
func TestEncodeSigned_IsNoStoredValue(t *testing.T) {
	t.Parallel()
	text, sig := protocol.SplitSignature(readGolden(t, "beat"))
	b, err := protocol.DecodeBeat(readGolden(t, "beat"))
	if err != nil || keysOf(9).Verify(b.ID, text, sig) {
		t.Errorf("a heartbeat (%v) bears the signature of a record", err)
	}
}

func TestEncodeSigned_OnlyAsThePresentIncarnation(t *testing.T) {
	t.Parallel()
	keys := keysOf(1)
	b := protocol.Beat{V: 1, Incarnation: protocol.Incarnation{Node: "node1", ID: keys.NewID()}}
	if _, err := protocol.EncodeSigned(keys, "s", &b); err != nil {
		t.Error(err)
	}
	b.ID = "another"
	if _, err := protocol.EncodeSigned(keys, "s", &b); !errors.Is(err, protocol.ErrNotSigned) {
		t.Errorf("found %v, expected ErrNotSigned", err)
	}
}

// A heartbeat that was opened is not opened again and again, nor is an older one of its incarnation; those of others are, and what somebody else signed
// in its name never counts.
func TestBeats_OpenWhatIsNew(t *testing.T) {
	t.Parallel()
	keys, other := keysOf(1), keysOf(2)
	b := protocol.Beat{V: 1, Incarnation: protocol.Incarnation{Node: "node1", ID: keys.NewID()}, Status: protocol.Up}
	beat := func(signer protocol.Signer, number uint64) []byte {
		b.Number = number
		data, err := protocol.EncodeSigned(signer, beatSubject, &b)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var beats protocol.Beats
	open := func(what string, data []byte, refused string) {
		t.Helper()
		got, err := beats.Open(beatSubject, data)
		switch {
		case refused == "" && (err != nil || got.ID != b.ID || got.Number != b.Number):
			t.Errorf("%s: found %+v and %v", what, got, err)
		case refused != "" && (err == nil || !strings.Contains(err.Error(), refused)):
			t.Errorf("%s: found %v, expected an error with %q", what, err, refused)
		}
	}
	fifth := beat(keys, 5)
	open("the first", fifth, "")
	open("the same: the author may be slower than who heard it", fifth, "")
	open("the same again", fifth, "number: found 5, allowed is more than 5")
	open("an older one", beat(keys, 4), "number: found 4")
	other.NewID()
	open("in its name, with another key", beat(anyName{other}, 9), "sig: found another's signature")
	bad := beat(keys, 9)
	bad[len(bad)-10] ^= 1
	open("in its name, with its key", bad, "sig: found another's signature, or one of another message")
	open("unsigned", beat(nil, 9), "sig: found nothing")
	open("junk", []byte("junk"), "sig: found nothing")
	open("the next", beat(keys, 6), "")
	b.ID = other.NewID()
	open("another incarnation's", beat(other, 1), "")
}

// anyName signs in anybody's name.
type anyName struct{ keys *protocol.Keys }

func (a anyName) SignAs(_ string, text []byte) string { return a.keys.Sign(text) }

// BenchmarkBeats is what a heartbeat costs its receiver that is refused.
func BenchmarkBeats(b *testing.B) {
	genuine := readGolden(b, "beat")
	beat, err := protocol.DecodeBeat(genuine)
	if err != nil {
		b.Fatal(err)
	}
	keys := keysOf(1)
	keys.NewID()
	encode := func(s protocol.Signer) []byte {
		data, err := protocol.EncodeSigned(s, beatSubject, &beat)
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	bad := bytes.Clone(bytes.TrimSpace(genuine))
	bad[len(bad)-10] ^= 1
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"unsigned", encode(nil)}, {"another key", encode(anyName{keys})}, {"sent again", bytes.TrimSpace(genuine)}, {"badly signed", bad},
	} {
		b.Run(c.name, func(b *testing.B) {
			var beats protocol.Beats
			for range 2 {
				_, _ = beats.Open(beatSubject, c.data)
			}
			for b.Loop() {
				if _, err := beats.Open(beatSubject, c.data); err == nil {
					b.Fatal("it counts")
				}
			}
		})
	}
}

// BenchmarkBeat is what a heartbeat costs on both ends together, with its answer: encoded, signed, decoded and checked; and
// without signatures.
func BenchmarkBeat(b *testing.B) {
	keys := keysOf(1)
	beat, err := protocol.DecodeBeat(readGolden(b, "beat"))
	if err != nil {
		b.Fatal(err)
	}
	answer, err := protocol.DecodeBeatAnswer(readGolden(b, "beat_answer"))
	if err != nil {
		b.Fatal(err)
	}
	beat.ID = keys.NewID()
	answer.Coordinator.ID, answer.To, answer.Number = beat.ID, beat.ID, beat.Number
	b.Run("signed", func(b *testing.B) {
		for b.Loop() {
			data, err := protocol.EncodeSigned(keys, beatSubject, &beat)
			if err == nil {
				_, err = protocol.OpenBeat(beatSubject, data)
			}
			if err == nil {
				data, err = protocol.EncodeSigned(keys, beatSubject, &answer)
			}
			if err == nil {
				_, err = protocol.OpenBeatAnswer(beatSubject, &beat, data)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unsigned", func(b *testing.B) {
		for b.Loop() {
			data, err := protocol.EncodeSigned(nil, beatSubject, &beat)
			if err == nil {
				_, err = protocol.DecodeBeat(data)
			}
			if err == nil {
				data, err = protocol.EncodeSigned(nil, beatSubject, &answer)
			}
			if err == nil {
				_, err = protocol.DecodeBeatAnswer(data)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
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
