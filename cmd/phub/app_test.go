package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestHelp_Golden(t *testing.T) {
	for name, args := range map[string][]string{
		"first-screen": {},
		"help":         {"--help"},
		"node-run":     {"node", "run", "--help"},
		"child":        {"child", "--help"},
		"child-start":  {"child", "start", "--help"},
		"req":          {"req", "--help"},
		"demo":         {"demo", "--help"},
		"bench":        {"bench", "failover", "--help"},
		"doctor":       {"doctor", "--help"},
		"permissions":  {"permissions", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			r := phubRun(t, nil, "", args...)
			if r.code != 0 || r.err != "" {
				t.Errorf("got exit code %d and %q on stderr", r.code, r.err)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(r.out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if r.out != string(want) {
				t.Errorf("got\n%s\nwant (or run the test with -update)\n%s", r.out, want)
			}
		})
	}
}

// TestUsageErrors_Exit2AndSayWhatToTry runs without a server: what is wrong on the command line is told
// before anything is connected.
func TestUsageErrors_Exit2AndSayWhatToTry(t *testing.T) {
	t.Parallel()
	nobody := map[string]string{"NATS_URL": "nats://127.0.0.1:1"}
	for line, inErr := range map[string]string{
		"nonsense":                                       "expected command but got \"nonsense\"\nTry: phub --help",
		"child":                                          "'child'\nTry: phub child --help",
		"child nonsense":                                 "Try: phub child --help",
		"cheat nonsense":                                 "cheat: found \"nonsense\", want phub, bench, child, hub, permissions, req or watch\nTry: phub cheat phub",
		"status --nonsense":                              "--nonsense",
		"child info":                                     "id",
		"status extra":                                   "extra",
		"child start":                                    "found no child to start: give names, or --file\nTry: phub child start --help",
		"child add":                                      "Try: phub child start --help",
		"child start a":                                  "--kind is missing",
		"child start a --kind echo --model x":            "error: --model: found \"x\", want active_active or active_passive\n",
		"child start a --kind echo --signal x":           "error: --signal: found \"x\", want none, active, passive or all\n",
		"child start a --kind echo --restart x":          "error: --restart: found \"x\", want permanent, transient or temporary\n",
		"child start a -k a.b":                           "error: --kind: found \"a.b\", want ",
		"child start a -k echo --replicas many":          "error: --replicas: found \"many\", want 1 to 1000, or cluster_size\nTry: phub child start --help",
		"child start a -k echo --handler-limit 1ms":      "error: --handler-limit: found 1ms, want 0 (for none), or 10ms to 24h",
		"child start a -k echo --replicas 0":             "error: --replicas: found",
		"child start a -k echo --arg novalue":            "--arg: found \"novalue\", want KEY=VALUE",
		"child start a -k echo --arg =x":                 "--arg: found \"=x\", want KEY=VALUE",
		"child start a -k echo -a k=1 -a k=2":            "twice",
		"child start a -k echo --count 3":                "%d",
		"child start a -k echo --count=-1":               "--count: found -1, want 1 to",
		"child start a -k echo --count x":                "--count: found \"x\", want a whole number",
		"child start a..b -k echo":                       "child: found",
		"child start a a -k echo":                        "the name \"a\" twice",
		"child start a --file x.yaml":                    "--file",
		"child start --file does-not-exist":              "does-not-exist",
		"child start --file -":                           "stdin: document 1: kynd: found",
		"child start --file x.yaml --tag t":              "--file",
		"child start --file x.yaml --count 2":            "--file",
		"child start 'c%d' -k echo --from 0":             "--from: found 0, want it with --count only",
		"child stop c%d --count 2 --from=-1":             "--from: found -1, want 0 to",
		"child start --file x.yaml --from 2":             "--file",
		"status --limit=-1":                              "--limit: found \"-1\", want a whole number, 0 or more",
		"child stop a..b":                                "child: found",
		"child stop a --count 2":                         "%d",
		"child ls a..b":                                  "filter: found",
		"child ls >.a":                                   "filter: found",
		"child ls --node a.b":                            "--node: found",
		"child watch a..b":                               "filter: found",
		"child info a..b":                                "child: found",
		"child move a..b n":                              "child: found",
		"child move a b.c":                               "node: found",
		"node info a.b":                                  "node: found",
		"req a..b":                                       "child: found",
		"req a x --header novalue":                       "--header: found \"novalue\", want NAME:VALUE",
		"status --hub a.b":                               "error: --hub: found \"a.b\", want",
		"hub ls --hub a.b":                               "error: --hub: found \"a.b\", want",
		"status --timeout soon":                          "--timeout: found \"soon\", want a time",
		"status --timeout=-1s":                           "--timeout: found \"-1s\", want a time",
		"node run --label x":                             "--label: found \"x\", want KEY=VALUE",
		"node run --name a.b":                            "error: --name: found \"a.b\", want",
		"node run --factor many":                         "error: --factor: found",
		"node run --strategy singularity --factor 2":     "error: --factor: found 2, want",
		"node run --model x":                             "error: --model: found \"x\", want active_active or active_passive\n",
		"node run --failover maybe":                      "error: --failover: found \"maybe\", want auto, strict or fast\n",
		"node run --lease 1ms":                           "error: --lease: found 1ms, want at least three heartbeats (1.5s)\nTry: phub node run --help",
		"node run --heartbeat 1ms":                       "error: --heartbeat: found",
		"node run --authority 1ms":                       "error: --authority: found",
		"node run --probe 1h":                            "error: --probe: found",
		"node run --capacity=-1":                         "error: --capacity: found",
		"node run --bucket-replicas 9":                   "error: --bucket-replicas: found",
		"node run --log-level x":                         "error: --log-level: found \"x\", want debug, info, warn or error\n",
		"node run --kinds echo,shell":                    "error: --kinds: found \"shell\", want counter, echo or exec, or several with commas between\nTry: phub node run --help",
		"dev --kinds shell":                              "error: --kinds: found \"shell\", want counter, echo or exec",
		"bench failover --failover x":                    "error: --failover: found \"x\", want auto, strict or fast\nTry: phub bench failover --help",
		"permissions":                                    "list",
		"permissions nobody":                             "error: LIST: found \"nobody\", want each once of asks, operates, watches, node\nTry: phub permissions --help",
		"permissions asks asks":                          "error: LIST: found \"asks\", want each once of",
		"permissions asks --inbox-prefix a.>":            "error: --inbox-prefix: found \"a.>\", want up to 128 characters",
		"permissions asks --inbox-prefix _INBOX_default": "error: --inbox-prefix: found _INBOX_default, want a prefix of the user's own, such as _INBOX_default.alice",
		"permissions node --client-inboxes phub":         "error: --client-inboxes: found \"phub\", want up to",
		"permissions asks --format xml":                  "error: --format: found \"xml\", want conf, jwt or nsc\n",
		"dev --nodes 0":                                  "--nodes: found 0, want",
		"dev --port 70000":                               "--port: found 70000, want",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := phubRun(t, nobody, "kynd: x", strings.Fields(line)...)
			r.want(t, exitUsage, "", inErr)
			if !strings.HasPrefix(r.err, "phub: error: ") || !strings.Contains(r.err, "\nTry: ") || strings.Contains(r.err, "COMMAND") {
				t.Errorf("got %q on stderr, want an error and what to try", r.err)
			}
		})
	}
}

func TestUsageErrors_OfTheEnvironment(t *testing.T) {
	t.Parallel()
	run := func(name, value string, args ...string) result {
		return phubRun(t, map[string]string{"NATS_URL": "nats://127.0.0.1:1", name: value}, "", args...)
	}
	run("PHUB_HUB", "a.b", "status").want(t, exitUsage, "", "error: PHUB_HUB: found \"a.b\", want")
	run("PHUB_HUB", "a.b", "status", "--hub", "h").want(t, exitFailed, "", "connect to NATS")
	run("NATS_TIMEOUT", "abc", "status").want(t, exitUsage, "", "error: NATS_TIMEOUT: found \"abc\", want a time with a unit")
	run("NATS_TIMEOUT", "abc", "status", "--timeout", "1s").want(t, exitFailed, "", "connect to NATS")
	run("NATS_TIMEOUT", "1s", "status").want(t, exitFailed, "", "connect to NATS")
}

// TestUsageErrors_AreNotThoseOfAnswers has the hub send a field that is wrong: whoever asked did nothing wrong.
func TestUsageErrors_AreNotThoseOfAnswers(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	hub.control(protocol.VerbList, json.RawMessage(`{"children":[{"child":"c1","spec":{"redundancy":{"replication_factor":-7}}}]}`))
	hub.run("child", "ls").want(t, exitFailed, "", "replication_factor")
}

func TestRun_APanicIsNoSuccess(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("the panic of a command was swallowed")
		}
	}()
	run(t.Context(), []string{"version"}, stdio{out: panics{}}, func(string) string { return "" })
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("no space") }

func TestVersionAndCheats(t *testing.T) {
	t.Parallel()
	phubRun(t, nil, "", "version").want(t, 0, "phub ", "")
	phubRun(t, nil, "", "--version").want(t, 0, version(), "")
	phubRun(t, nil, "", "cheat").want(t, 0, "child", "")
	listed := phubRun(t, nil, "", "cheat")
	for name := range strings.FieldsSeq(listed.out[strings.Index(listed.out, "\n"):]) {
		phubRun(t, nil, "", "cheat", name).want(t, 0, "phub ", "")
	}
	phubRun(t, nil, "", "cheat", "--save", t.TempDir()).want(t, 0, "Saved cheat", "")
	if v := decode[map[string]string](t, phubRun(t, nil, "", "version", "--json")); v["version"] == "" || v["go"] == "" {
		t.Errorf("got %v", v)
	}
}

func TestNoServer_SaysWhatToTry(t *testing.T) {
	t.Parallel()
	env := map[string]string{"NATS_URL": "nats://secret:word@127.0.0.1:1"}
	r := phubRun(t, env, "", "status")
	r.want(t, exitFailed, "", "connect to NATS at nats://127.0.0.1:1")
	r.want(t, exitFailed, "", "\nTry: another --server (NATS_URL)")
	if strings.Contains(r.err, "word") {
		t.Errorf("the password is shown: %q", r.err)
	}
}

func TestErrors_NoNode(t *testing.T) {
	t.Parallel()
	newFakeHub(t).run("status").want(t, exitFailed, "", "phub: error: hub h: no node answers\nTry: phub hub ls; or start a node: phub node run --hub h\n")
}

// TestErrors_OfTheSetup reads what commands say on servers that a hub can't run on.
func TestErrors_OfTheSetup(t *testing.T) {
	t.Parallel()
	off := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) { o.JetStream = false }}).URL()
	const message = "phub: error: %sfound a NATS server without JetStream, expected JetStream enabled\nTry: start the server with `nats-server -js`\n"
	for line, before := range map[string]string{"node run": "", "hub ls": "list hubs: "} {
		if r := phubRun(t, map[string]string{"NATS_URL": off}, "", strings.Fields(line)...); r.code != exitFailed || r.err != fmt.Sprintf(message, before) {
			t.Errorf("%s: got exit code %d and %q", line, r.code, r.err)
		}
	}
	url := map[string]string{"NATS_URL": sharedURL(t)}
	phubRun(t, url, "", "node", "run", "--bucket-replicas", "3").want(t, exitFailed, "", "\nTry: fewer replicas (--bucket-replicas 1")
	r := phubRun(t, url, "", "node", "run", "--creds", "nowhere")
	r.want(t, exitFailed, "", "nowhere: no such file or directory\nTry: the path of a file")
	if strings.Contains(r.err, "phub: wrong setup") {
		t.Errorf("found a name that is the library's own in %q", r.err)
	}
}

func TestErrors_LoseTheLibrarysName(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"hub h: no node answers":            fmt.Errorf("hub %s: %w", "h", phub.ErrNoHub),
		"list: no such child":               fmt.Errorf("list: %w", phub.ErrNoChild),
		"watch has a gap":                   phub.ErrDropped,
		"handler: said phub: no such thing": errors.New("handler: said phub: no such thing"),
	} {
		if got, _ := new(app).explain(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDev_SaysAtOnceThatThePortIsInUse(t *testing.T) {
	t.Parallel()
	port := sharedURL(t)
	port = port[strings.LastIndexByte(port, ':')+1:]
	began := time.Now()
	phubRun(t, nil, "", "dev", "--port", port).want(t, exitFailed, "", "port "+port+" of 127.0.0.1 is in use")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNodeRun_SaysOnceThatNoServerIsThere(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(time.Second, cancel).Stop()
	var errOut safeBuffer
	env := map[string]string{"NATS_URL": "nats://127.0.0.1:1"}
	if code := run(ctx, []string{"node", "run", "--name", "n"}, stdio{nil, &safeBuffer{}, &errOut}, func(k string) string { return env[k] }); code != exitDone {
		t.Errorf("got exit code %d", code)
	}
	if got := strings.Count(errOut.String(), "connect to NATS"); got != 1 {
		t.Errorf("found it %d times in\n%s", got, &errOut)
	}
}
