package protocol_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// trip decodes data and encodes what came out.
type trip func(data []byte) ([]byte, error)

func tripOf[T any](decode func([]byte) (T, error)) trip {
	return func(data []byte) ([]byte, error) {
		v, err := decode(data)
		if err != nil {
			return nil, err
		}
		return json.Marshal(v)
	}
}

// signedTrip signs what came out as the incarnations of the golden messages do: with keysOf(1) or keysOf(2).
func signedTrip[T any, P interface {
	*T
	protocol.Message
}](decode func([]byte) (T, error), subject string) trip {
	return func(data []byte) ([]byte, error) {
		m, err := decode(data)
		if err != nil {
			return nil, err
		}
		for _, b := range []byte{1, 2} {
			keys := keysOf(b)
			keys.NewID()
			if data, err := protocol.EncodeSigned(keys, subject, P(&m)); err == nil {
				return data, nil
			}
		}
		return nil, protocol.ErrNotSigned
	}
}

const (
	beatSubject    = "phub.my_hub.int.coord.beat"
	releaseSubject = "phub.my_hub.int.node.node2.release"
)

func plain[T any](data []byte) (T, error) {
	var v T
	err := json.Unmarshal(data, &v)
	return v, err
}

// golden names the value or message that each file in testdata holds.
var golden = map[string]trip{
	"view":                tripOf(protocol.DecodeView),
	"entry":               tripOf(protocol.DecodeEntry),
	"entry_none":          tripOf(protocol.DecodeEntry),
	"spec":                tripOf(protocol.DecodeSpec),
	"spec_cluster_size":   tripOf(protocol.DecodeSpec),
	"node_record":         tripOf(protocol.DecodeNodeRecord),
	"node_record_lost":    tripOf(protocol.DecodeNodeRecord),
	"config":              tripOf(protocol.DecodeConfig),
	"config_set":          tripOf(protocol.DecodeConfig),
	"beat":                signedTrip(protocol.DecodeBeat, beatSubject),
	"beat_answer":         signedTrip(protocol.DecodeBeatAnswer, beatSubject),
	"beat_answer_refused": signedTrip(protocol.DecodeBeatAnswer, beatSubject),
	"release_request":     signedTrip(protocol.DecodeReleaseRequest, releaseSubject),
	"release_answer":      signedTrip(protocol.DecodeReleaseAnswer, releaseSubject),
	"mode":                tripOf(protocol.DecodeMode),
	"event":               tripOf(protocol.DecodeEvent),
	"start_request":       tripOf(plain[protocol.StartRequest]),
	"start_response":      tripOf(plain[protocol.StartResponse]),
	"stop_request":        tripOf(plain[protocol.StopRequest]),
	"set_request":         tripOf(plain[protocol.SetRequest]),
	"set_response":        tripOf(plain[protocol.SetResponse]),
	"move_request":        tripOf(plain[protocol.MoveRequest]),
	"list_request":        tripOf(plain[protocol.ListRequest]),
	"list_response":       tripOf(plain[protocol.ListResponse]),
	"info_request":        tripOf(plain[protocol.InfoRequest]),
	"nodes_response":      tripOf(plain[protocol.NodesResponse]),
	"status_response":     tripOf(plain[protocol.StatusResponse]),
}

func readGolden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(data, []byte("\n"))
}

func TestGolden_EveryMessageIsTheSameAfterDecodingAndEncoding(t *testing.T) {
	t.Parallel()
	for name, trip := range golden {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := readGolden(t, name)
			got, err := trip(want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestGolden_EveryFileIsTested(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(golden) {
		t.Errorf("%d files, %d tested (error %v)", len(files), len(golden), err)
	}
}

// Unknown fields are ignored, and left out of what is written; those of specs and the configuration stay in it, as the last ones.
func TestGolden_UnknownFieldsDoNoHarm(t *testing.T) {
	t.Parallel()
	const field = `"a_field_of_the_future":{"x":[1,"y",null]}`
	for name, trip := range golden {
		want := readGolden(t, name)
		more := append([]byte("{"+field+","), want[1:]...)
		if strings.HasPrefix(name, "spec") || strings.HasPrefix(name, "config") {
			want = append(want[:len(want)-1], ","+field+"}"...)
		}
		if got, err := trip(more); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s with a new field: %s, %v", name, got, err)
		}
	}
}
