package main

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

// hostile is what somebody may put into whatever phub takes from others: it clears the screen, forges a row,
// rings, hides and reorders what stands beside it, and is no UTF-8.
const hostile = "x\x1b[2J\x1b[31m\r\nforged  echo  node9\x07\b\x00\x7f\u009b1A\u202eleft\u2066\u200bzero\ufeff\u2028line\xff\xc3end"

// hostileHub answers everything with hostile values.
func hostileHub(t *testing.T) *fakeHub {
	t.Helper()
	hub := newFakeHub(t)
	in := protocol.Incarnation{Node: "n" + hostile, ID: hostile}
	labels := map[string]string{"zone" + hostile: hostile}
	info := phub.ChildInfo{
		Child: "c" + hostile, Wanted: 2, Reason: hostile, Spec: phub.Spec{Child: "c" + hostile, Kind: "k" + hostile, Args: labels, Metadata: map[string]string{"tag": hostile}},
		Replicas: []phub.ReplicaState{{Node: in.Node, Mode: phub.Active, State: protocol.FailedAt, Error: hostile}, {Node: "n2", Mode: hostile, State: hostile}},
		Failed:   []protocol.Failure{{Node: hostile, Error: hostile}},
	}
	result := phub.ChildResult{Child: info.Child, Replicas: info.Replicas, Error: &protocol.Problem{Code: 500, Message: hostile, Try: hostile}}
	hub.control(protocol.VerbStatus, phub.Status{Hub: hostile, Coordinator: in, Children: 3, BadEntries: []string{hostile}, Incomplete: 1, Config: protocol.Config{Failover: hostile}})
	hub.control(protocol.VerbNodes, phub.Nodes{Nodes: []phub.NodeInfo{
		{NodeRecord: protocol.NodeRecord{Incarnation: in, Status: hostile, Labels: labels, Version: hostile, Started: hostile, Reason: hostile, Conn: protocol.Conn{Server: hostile}}},
		{NodeRecord: protocol.NodeRecord{Incarnation: protocol.Incarnation{Node: "n1", ID: hostile}, Status: hostile, Labels: labels, Version: hostile, Started: hostile, Reason: hostile}, Member: true},
	}})
	hub.control(protocol.VerbList, protocol.ListResponse{Children: []phub.ChildInfo{info}, Total: 1})
	hub.control(protocol.VerbInfo, info)
	for _, verb := range []string{protocol.VerbStart, protocol.VerbStop} {
		hub.serve(hub.subjects.Control(verb), func(msg *nats.Msg) any {
			var req struct{ Children []json.RawMessage }
			hub.check(json.Unmarshal(msg.Data, &req))
			return protocol.StartResponse{Results: slices.Repeat([]phub.ChildResult{result}, len(req.Children))}
		})
	}
	hub.serve(hub.subjects.Control(protocol.VerbMove), func(*nats.Msg) any {
		return &nats.Msg{Header: nats.Header{protocol.HeaderErrorCode: {"409"}, protocol.HeaderError: {strings.ReplaceAll(strings.ReplaceAll(hostile, "\n", ""), "\r", "")}}, Data: []byte(hostile)}
	})
	return hub
}

// TestScreens_ObeyNobody prints every screen of the hub with hostile values on it.
func TestScreens_ObeyNobody(t *testing.T) {
	t.Parallel()
	hub := hostileHub(t)
	for line, rows := range map[string]int{
		"child ls": 2, "child ls --names": 1, "child info c": -1, "node ls": 3, "node info n1": -1, "status": -1, "hub info": 13,
		"child start c -k echo": -1, "child start c d -k echo": -1, "child stop c": -1, "child stop c d": -1, "child move c n1": 0,
	} {
		r := hub.run(strings.Fields(line)...)
		checkScreen(t, line, r)
		if got := strings.Count(r.out, "\n"); rows >= 0 && got != rows {
			t.Errorf("%s: got %d lines, want %d:\n%s", line, got, rows, r.out)
		}
		if !strings.Contains(r.out+r.err, `\x1b[2J`) {
			t.Errorf("%s: found nothing hostile on the screen, so it was no test:\n%s\n%s", line, r.out, r.err)
		}
	}
}

// checkScreen fails the test if a screen has anything that would control a terminal.
func checkScreen(t *testing.T, line string, r result) {
	t.Helper()
	if shown := strings.NewReplacer("\n", "", "\t", "").Replace(r.out + r.err); protocol.Printable(shown) != shown {
		t.Errorf("%s: found what controls a terminal in\n%q\n%q", line, r.out, r.err)
	}
	for printed := range strings.SplitSeq(r.out+r.err, "\n") {
		if strings.HasPrefix(printed, "forged") {
			t.Errorf("%s: somebody else's text has a line of its own:\n%s%s", line, r.out, r.err)
		}
	}
}

func TestScreens_OfRequests(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	header := strings.NewReplacer("\n", "", "\r", "").Replace(hostile)
	hub.serve(hub.subjects.Request("fails"), func(*nats.Msg) any {
		return &nats.Msg{Header: nats.Header{protocol.HeaderErrorCode: {"500"}, protocol.HeaderError: {header}, protocol.HeaderNode: {header}, protocol.HeaderEpoch: {"1"}}}
	})
	hub.serve(hub.subjects.Request("fine"), func(*nats.Msg) any {
		return &nats.Msg{Header: nats.Header{protocol.HeaderNode: {header}, protocol.HeaderEpoch: {"1"}}, Data: []byte(hostile)}
	})
	checkScreen(t, "req fails", hub.run("req", "fails", "x"))
	if r := hub.run("req", "fine", "x"); r.out != hostile+"\n" {
		t.Errorf("a pipe got %q, want all bytes as they are", r.out)
	}
	if got := decode[reqJSON](t, hub.run("req", "fine", "--json")); string(got.Base64) != hostile {
		t.Errorf("got %q, want all bytes as they are", got.Base64)
	}
}

func TestPayload_OnATerminal(t *testing.T) {
	t.Parallel()
	for raw, want := range map[bool]string{false: "a\tb\n\\x1b[2Jc\\xff\n", true: "a\tb\n\x1b[2Jc\xff\n"} {
		out := &safeBuffer{}
		c := &req{app: &app{stdio: stdio{out: out, err: out}, screen: true}, raw: raw}
		if err := c.show(&phub.Reply{Data: []byte("a\tb\n\x1b[2Jc\xff\n")}, 0); err != nil || out.String() != want {
			t.Errorf("raw %v: got %q, %v, want %q", raw, out, err, want)
		}
	}
}

func TestScreens_OfWatch(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	out, errOut := &safeBuffer{}, &safeBuffer{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	env := map[string]string{"NATS_URL": hub.url, "PHUB_HUB": "h"}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"hub", "watch"}, stdio{nil, out, errOut}, func(k string) string { return env[k] })
	}()
	in := protocol.Incarnation{Node: hostile, ID: hostile}
	publish := func(subject string, v any) {
		data, err := json.Marshal(v)
		hub.check(err)
		hub.check(hub.nc.Publish(subject, data))
	}
	for ctx.Err() == nil && (strings.Count(out.String(), "forged") < 8 || !strings.Contains(errOut.String(), "warning")) { // the watch begins some time
		publish(hub.subjects.Mode("c"), protocol.ModeMessage{Hub: hostile, Child: hostile, Node: hostile, Mode: hostile, Reason: hostile})
		publish(hub.subjects.Event(protocol.BadEntry, "hub"), protocol.Event{Type: hostile, Child: hostile, Node: hostile, Reason: hostile})
		publish(hub.subjects.Stored(protocol.PlacementBucket, "_view"), protocol.View{Coordinator: in, Members: []protocol.Member{{Incarnation: in}}, Reason: hostile})
		publish(hub.subjects.Stored(protocol.PlacementBucket, "c"), protocol.Entry{Replicas: []protocol.Replica{{Node: hostile, Mode: hostile}}, Reason: hostile})
		hub.check(hub.nc.Publish(hub.subjects.Mode("c"), []byte(hostile)))
		pause(ctx, 10*time.Millisecond)
	}
	cancel()
	r := result{<-code, out.String(), errOut.String()}
	checkScreen(t, "hub watch", r)
	for printed := range strings.Lines(r.out) {
		if len(printed) < 20 || printed[2] != ':' {
			t.Errorf("found a line that is nobody's: %q", printed)
		}
	}
}

// TestScreens_HaveOnePlace holds what prints to output.go, where everything is made printable.
func TestScreens_HaveOnePlace(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "output.go" {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				if pkg, ok := f.X.(*ast.Ident); ok && pkg.Name == "fmt" && (strings.HasPrefix(f.Sel.Name, "Print") || strings.HasPrefix(f.Sel.Name, "Fprint")) {
					t.Errorf("%s: fmt.%s prints past output.go; use printf, warnf or a table", fset.Position(call.Pos()), f.Sel.Name)
				}
			case *ast.Ident:
				if f.Name == "text" {
					t.Errorf("%s: a text is made in output.go only", fset.Position(call.Pos()))
				}
			}
			return true
		})
	}
}

// What --json prints is what it was, and controls no terminal.
func TestWriteJSON_EscapesWhatControls(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := writeJSON(&b, map[string]string{"text": hostile + "é\u65e5 <&>\U000e0001"}, "  "); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("byte %d of %q controls a terminal", i, b.String())
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil || !strings.HasSuffix(got["text"], "endé\u65e5 <&>\U000e0001") || !strings.HasPrefix(got["text"], "x\x1b[2J\x1b[31m\r\n") {
		t.Errorf("found %q, %v; expected %q", got["text"], err, hostile)
	}
}
