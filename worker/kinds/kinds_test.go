package kinds_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
	"github.com/phub-io/phub/worker/kinds"
)

// TestMain is also the program that the tests of exec run: what it does is said by the child's args.
func TestMain(m *testing.M) {
	if what := os.Getenv("PHUB_ARG_HELPER"); what != "" {
		helper(what)
		return
	}
	goleak.VerifyTestMain(m)
}

func helper(what string) {
	if what == "deaf" {
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour) // a bare select would be found to be a deadlock
	}
	in := bufio.NewReader(os.Stdin)
	fmt.Fprintln(os.Stderr, "program up", os.Getenv("PHUB_MODE"), os.Getenv("PHUB_EPOCH"))
	if what == "ready" {
		fmt.Println(`{"type":"ready"}`)
	}
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var l struct {
			Type, Data, Mode string
			DataBase64       []byte `json:"data_base64"`
			ID, Epoch        uint64
			Header           map[string][]string
		}
		if err := json.Unmarshal(line, &l); err != nil {
			os.Exit(3)
		}
		if l.Type == "mode" {
			fmt.Fprintln(os.Stderr, "mode", l.Mode, l.Epoch)
			continue
		}
		respond(l.ID, l.Data, l.DataBase64, l.Epoch, l.Header)
	}
}

func respond(id uint64, data string, binary []byte, epoch uint64, header map[string][]string) {
	switch data {
	case "exit":
		os.Exit(4)
	case "garbage":
		fmt.Println("hello there")
	case "large":
		fmt.Printf(`{"type":"reply","id":%d,"data":"%s"}`+"\n", id, strings.Repeat("x", 3<<20))
	case "large without an id":
		fmt.Println(strings.Repeat("x", 3<<20))
	case "large and late":
		fmt.Printf(`{"type":"reply","id":%d,"data":"\"id\":%d%s"}`+"\n", id-1, id, strings.Repeat("x", 3<<20))
		fmt.Printf(`{"type":"reply","id":%d,"data":"in time"}`+"\n", id)
	case "close stdout":
		os.Stdout.Close()
	case "environment":
		b, _ := json.Marshal(map[string]any{"type": "reply", "id": id, "data": os.Getenv("NATS_PASSWORD") + " " + os.Getenv("PHUB_NODE")})
		fmt.Println(string(b))
	case "noise":
		line := strings.Repeat("n", 999) + "\n"
		for range 20_000 {
			fmt.Fprint(os.Stderr, line)
		}
		fmt.Printf(`{"type":"reply","id":%d,"data":"made noise"}`+"\n", id)
	case "colour":
		fmt.Fprintln(os.Stderr, "\x1b[2J\u202e\xff"+strings.Repeat("c", 100_000))
		fmt.Printf(`{"type":"reply","id":%d,"data":"in colour"}`+"\n", id)
	case "silent":
	case "error":
		fmt.Printf(`{"type":"reply","id":%d,"error":{"code":418,"message":"a teapot"}}`+"\n", id)
	case "":
		b, _ := json.Marshal(map[string]any{"type": "reply", "id": id, "data_base64": append(binary, '!')})
		fmt.Println(string(b))
	default:
		text := fmt.Sprintf("%s %s %s %d %v", data, os.Getenv("PHUB_CHILD"), os.Getenv("PHUB_ARG_SOME_KEY"), epoch, header["X"])
		b, _ := json.Marshal(map[string]any{"type": "reply", "id": id, "data": text, "header": map[string]string{"Y": "2"}})
		fmt.Println(string(b))
	}
}

// net is a transport that carries the requests of one test.
type net struct{ h worker.Handler }

func (n *net) Serve(h worker.Handler) error                  { n.h = h; return nil }
func (*net) Open(context.Context, []protocol.Interest) error { return nil }
func (*net) Close(context.Context, []string) error           { return nil }
func (*net) Spread() time.Duration                           { return 0 }
func (*net) MaxPayload() int                                 { return 1 << 20 }
func (*net) AskRelease(context.Context, string, protocol.ReleaseRequest) (protocol.ReleaseAnswer, error) {
	return protocol.ReleaseAnswer{}, errors.New("nobody")
}

type reply struct {
	header map[string][]string
	data   string
}

type replier chan reply

func (c replier) Reply(h map[string][]string, data []byte) error {
	c <- reply{h, string(data)}
	return nil
}

func (r reply) String() string {
	if code := r.header[protocol.HeaderErrorCode]; code != nil {
		return code[0] + " " + r.header[protocol.HeaderError][0]
	}
	return r.data
}

// fixture is a host with one active child "c".
type fixture struct {
	*worker.Host
	net     *net
	log     *logBuffer
	refused *refused.Counter
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func setup(t *testing.T, kind string, args map[string]string, change ...func(*protocol.Spec)) *fixture {
	t.Helper()
	f := &fixture{net: &net{}, log: &logBuffer{}, refused: &refused.Counter{}}
	log := slog.New(slog.NewTextHandler(f.log, nil))
	start := time.Now()
	f.Host = worker.New(worker.Config{
		Hub: "h", Node: "n1", Kinds: withExec(log), Logger: log, StopTimeout: 4 * time.Second, Refused: f.refused,
		Now: func() int64 { return int64(time.Since(start)) },
	})
	t.Cleanup(func() {
		if err := f.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := f.Attach(f.net); err != nil {
		t.Fatal(err)
	}
	f.Trust(int64(time.Hour), "test")
	s := protocol.Spec{Child: "c", Kind: kind, Args: args, Redundancy: protocol.Redundancy{Signal: protocol.SignalAll}}.WithDefaults(protocol.Redundancy{})
	s.Restart.Max = 1
	for _, f := range change {
		f(&s)
	}
	f.Assign(1, []protocol.Assignment{{Child: "c", View: 1, Assigned: true, Spec: &s, SpecRev: 1, Mode: protocol.Active, Epoch: 1}}, false)
	return f
}

func (f *fixture) ask(t *testing.T, data string) reply {
	t.Helper()
	c := make(replier, 1)
	f.net.h.Request(&worker.Incoming{Child: "c", Data: []byte(data), Header: map[string][]string{"X": {"1"}}, Reply: c})
	select {
	case r := <-c:
		return r
	case <-time.After(20 * time.Second):
		t.Fatalf("no reply to %.20q; log:\n%s", data, f.log)
		return reply{}
	}
}

func (f *fixture) settled(t *testing.T) {
	t.Helper()
	eventually(t, f.log, func() bool { r := f.Report(); return len(r.Waiting) == 0 && r.Settled == 1 })
}

func eventually(t *testing.T, log *logBuffer, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long; log:\n%s", log)
		}
	}
}

func program(what string) map[string]string {
	command, _ := json.Marshal([]string{os.Args[0]})
	return map[string]string{"command": string(command), "helper": what, "some.key": "v"}
}

func want(t *testing.T, r reply, text string) {
	t.Helper()
	if !strings.Contains(r.String(), text) {
		t.Errorf("got %.200q, want %q", r.String(), text)
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	f := setup(t, "echo", nil)
	f.settled(t)
	want(t, f.ask(t, "hello"), "hello")
}

func TestCounter(t *testing.T) {
	t.Parallel()
	f := setup(t, "counter", nil)
	f.settled(t)
	want(t, f.ask(t, "inc"), `{"child":"c","node":"n1","epoch":1,"count":1}`)
	want(t, f.ask(t, ""), `"count":2}`)
	want(t, f.ask(t, "get"), `"count":2}`)
	want(t, f.ask(t, "reset"), `"count":0}`)
	want(t, f.ask(t, "jump"), `400 found the command "jump"; a counter knows inc, get and reset`)
}

func TestExec_RequestsAndModes(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("ready"))
	f.settled(t)
	r := f.ask(t, "hello")
	want(t, r, "hello c v 1 [1]")
	if r.header["Y"][0] != "2" || r.header[protocol.HeaderEpoch][0] != "1" {
		t.Errorf("header: %v", r.header)
	}
	want(t, f.ask(t, "\xff\x00"), "\xff\x00!")
	want(t, f.ask(t, "error"), "418 a teapot")
	// A program that is started before the node is trusted is passive first.
	eventually(t, f.log, func() bool {
		log := f.log.String()
		return strings.Contains(log, "mode active 1") &&
			(strings.Contains(log, "program up active 1") || strings.Contains(log, "program up passive 0"))
	})
}

func TestExec_ExitRestartsTheProgram(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("plain"))
	f.settled(t)
	want(t, f.ask(t, "exit"), "502 the program of c on n1 ended while it handled the request: exit status 4")
	eventually(t, f.log, func() bool { return strings.HasPrefix(f.ask(t, "hello").String(), "hello c") })
}

func TestExec_GarbageFailsTheReplica(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("plain"))
	f.settled(t)
	want(t, f.ask(t, "garbage"), "on stdout")
	eventually(t, f.log, func() bool { f.ask(t, "garbage"); return len(f.Report().Failed) == 1 })
}

// One reply that is too large costs one error, and the program goes on.
func TestExec_LargeReplyIsOneError(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("plain"))
	f.settled(t)
	for range 20 { // more than the restarts that a replica has
		want(t, f.ask(t, "large"), "413 the program's reply is a line of more than")
		want(t, f.ask(t, "large without an id"), "413 the program's reply is a line of more than")
		want(t, f.ask(t, "large and late"), "in time")
	}
	want(t, f.ask(t, "hello"), "hello c")
	if n := strings.Count(f.log.String(), "program up"); n != 1 {
		t.Errorf("the program was started %d times", n)
	}
}

// A program that can't answer any more is not left alone with the requests that come.
func TestExec_ClosedStdoutRestartsTheProgram(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("plain"))
	f.settled(t)
	want(t, f.ask(t, "close stdout"), "502 the program of c on n1 ended while it handled the request: found its stdout closed")
	eventually(t, f.log, func() bool { return strings.HasPrefix(f.ask(t, "hello").String(), "hello c") })
}

// A program that forgets a reply holds its child up for as long as it lives, unless the child has a limit.
func TestExec_ForgottenReplyRestartsTheProgram(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("plain"), func(s *protocol.Spec) { s.HandlerLimit = protocol.Duration(200 * time.Millisecond) })
	f.settled(t)
	want(t, f.ask(t, "silent"), "504 its effect is unknown: on n1, a handler ran longer than 200ms, the child's handler_limit")
	want(t, f.ask(t, "hello"), "hello c")
	ups := func() int { return strings.Count(f.log.String(), "program up") } // what a program logs may come after its reply
	eventually(t, f.log, func() bool { return ups() >= 2 })
	if n := ups(); n != 2 {
		t.Errorf("the program was started %d times, want 2", n)
	}
}

// Not parallel: it sets a variable of the process.
func TestExec_NodesLoginIsNotForPrograms(t *testing.T) {
	t.Setenv("NATS_PASSWORD", "secret")
	for value, answer := range map[string]string{"": " n1", "false": " n1", "true": "secret n1"} {
		args := program("plain")
		args["nats_env"] = value
		f := setup(t, "exec", args)
		f.settled(t)
		if got := f.ask(t, "environment").String(); got != answer {
			t.Errorf("with nats_env %q: got %q, want %q", value, got, answer)
		}
	}
}

func TestExec_ArgsMustBeDistinctVariables(t *testing.T) {
	t.Parallel()
	_, err := kinds.Exec{}.Kind(worker.Replica{Args: map[string]string{"command": "x", "a-b": "1", "a_b": "2"}})
	var field *protocol.FieldError
	if !errors.As(err, &field) || !strings.Contains(err.Error(), "PHUB_ARG_A_B") {
		t.Errorf("got %v, want an error about the variable that two args share", err)
	}
}

func TestExec_LostRoleAndLateReply(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("plain"))
	f.settled(t)
	c := make(replier, 1)
	f.net.h.Request(&worker.Incoming{Child: "c", Data: []byte("silent"), Reply: c})
	time.AfterFunc(50*time.Millisecond, func() { f.Trust(0, "test") })
	want(t, <-c, "504 its effect is unknown")
	f.Trust(int64(time.Hour), "test")
	want(t, f.ask(t, "hello"), "hello c")
}

func TestExec_DeafProgramIsKilled(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("deaf"))
	f.settled(t)
	c := make(replier, 1)
	f.net.h.Request(&worker.Incoming{Child: "c", Data: bytes.Repeat([]byte("x"), 1<<19), Reply: c})
	time.AfterFunc(50*time.Millisecond, func() { f.Trust(0, "test") })
	want(t, <-c, "504 its effect is unknown")
}

func TestExec_StopKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("deaf"))
	f.settled(t)
	f.Assign(2, []protocol.Assignment{{Child: "c", View: 2}}, false)
	eventually(t, f.log, func() bool { return f.Report().Children == 0 && len(f.Report().Waiting) == 0 })
	if !strings.Contains(f.log.String(), "was killed") {
		t.Errorf("log: %s", f.log)
	}
}

// TestExec_NoiseIsBounded has one request make 20 MB on stderr, and another one a line that clears the screen.
func TestExec_NoiseIsBounded(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("plain"))
	f.settled(t)
	began := time.Now()
	want(t, f.ask(t, "noise"), "made noise")
	want(t, f.ask(t, "noise"), "made noise")
	lost := func() int { return int(f.refused.Counts()[protocol.ReasonLog]) }
	logged := func() int { return strings.Count(f.log.String(), "from a program") }
	eventually(t, f.log, func() bool { return lost()+logged() >= 40_000 })
	got, seconds := len(f.log.String()), time.Since(began).Seconds()
	if most := 1.5 * (256<<10 + seconds*(64<<10)); float64(got) > most { // 1.5: the limit counts texts, each line has more
		t.Errorf("the log has %d bytes after %.1f s, want at most %.0f", got, seconds, most)
	}
	f.Assign(2, []protocol.Assignment{{Child: "c", View: 2}}, false)
	eventually(t, f.log, func() bool { return f.Report().Children == 0 && len(f.Report().Waiting) == 0 })
	if !strings.Contains(f.log.String(), `msg="log lines were left out: there were too many" child=c like="from a program" lines=`) {
		t.Errorf("nobody said that %d lines were left out", lost())
	}
}

func TestExec_StderrControlsNoTerminal(t *testing.T) {
	t.Parallel()
	f := setup(t, "exec", program("plain"))
	f.settled(t)
	want(t, f.ask(t, "colour"), "in colour")
	eventually(t, f.log, func() bool { return strings.Contains(f.log.String(), "ccc") })
	if log := f.log.String(); protocol.PrintableLines(log) != log || !strings.Contains(log, `\x1b[2J`) {
		t.Errorf("got %q", log)
	}
	for line := range strings.Lines(f.log.String()) {
		if len(line) > 5000 {
			t.Errorf("got a line of %d bytes", len(line))
		}
	}
}

func TestExec_Shell(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Fatal("this test needs sh, which every unix has: ", err)
	}
	script := `while read -r line; do case $line in *'"request"'*) ;; *) continue ;; esac; id=${line#*\"id\":}; id=${id%%,*}; echo "{\"type\":\"reply\",\"id\":$id,\"data\":\"$PHUB_CHILD $0 $1\"}"; done`
	f := setup(t, "exec", map[string]string{"command": "sh -c", "arg1": script, "arg2": "zero", "arg3": "one two"})
	f.settled(t)
	want(t, f.ask(t, "x"), "c zero one two")
}

func TestExec_BadArgs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args map[string]string
		want string
	}{
		"nothing":    {nil, "args.command: found nothing"},
		"bad array":  {map[string]string{"command": `["a"`}, "a JSON array of strings"},
		"no program": {map[string]string{"command": "/does/not/exist"}, "must be on the PATH of every node"},
		"not ready":  {map[string]string{"command": "true", "ready": "true"}, "program ended before it was ready: exit status 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, "exec", c.args)
			eventually(t, f.log, func() bool { return len(f.Report().Failed) == 1 })
			if got := f.Report().Failed[0].Error; !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func withExec(log *slog.Logger) map[string]worker.Kind {
	all := kinds.Builtin()
	all["exec"] = kinds.Exec{Logger: log}.Kind
	return all
}

func TestBuiltin_RunsNoPrograms(t *testing.T) {
	t.Parallel()
	if all := kinds.Builtin(); len(all) != 2 || all["echo"] == nil || all["counter"] == nil {
		t.Errorf("found %v, want echo and counter alone", slices.Sorted(maps.Keys(all)))
	}
}
