package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

func TestUsageErrors_Exit2AndSayWhatToTry(t *testing.T) {
	t.Parallel()
	for line, inErr := range map[string]string{
		"nonsense":                              "nonsense",
		"child start a -k echo --count x":       "count: found",
		"child":                                 "Try:",
		"child nonsense":                        "nonsense",
		"status --nonsense":                     "--nonsense",
		"child info":                            "id",
		"status extra":                          "extra",
		"child start":                           "found no child to start",
		"child start a":                         "--kind is missing",
		"child start a --kind echo --model x":   "model: found",
		"child start a --kind echo --signal x":  "signal",
		"child start a -k echo --replicas many": "replication_factor",
		"child start a -k echo --replicas 0":    "replication_factor",
		"child start a -k echo --arg novalue":   "KEY=VALUE",
		"child start a -k echo -a k=1 -a k=2":   "twice",
		"child start a -k echo --count 3":       "%d",
		"child start a -k echo --count -1":      "--count",
		"child start a..b -k echo":              "child",
		"child start a a -k echo":               "the name of child 1",
		"child start a --file x.yaml":           "--file",
		"child start --file does-not-exist":     "does-not-exist",
		"child start --file x.yaml --tag t":     "--file",
		"child start --file x.yaml --count 2":   "--file",
		"child ls a..b":                         "filter: found",
		"child ls >.a":                          "filter: found",
		"child ls --node a.b":                   "node: found",
		"child watch a..b":                      "filter: found",
		"child info a..b":                       "child",
		"child move a b.c":                      "node",
		"node info a.b":                         "node",
		"req a..b":                              "child",
		"req a x --header novalue":              "NAME:VALUE",
		"status --hub a.b":                      "hub",
		"status --timeout soon":                 "soon",
		"node run --label x":                    "KEY=VALUE",
		"node run --name a.b":                   "node",
		"node run --factor many":                "replication_factor",
		"node run --failover maybe":             "failover",
		"dev --nodes 0":                         "--nodes",
		"dev --port 70000":                      "--port",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			hub := map[string]string{"NATS_URL": sharedURL(t)}
			r := phubRun(t, hub, "", strings.Fields(line)...)
			r.want(t, exitUsage, "", inErr)
			if !strings.HasPrefix(r.err, "phub: error: ") || !strings.Contains(r.err, "\nTry: ") {
				t.Errorf("got %q on stderr, want an error and what to try", r.err)
			}
		})
	}
}

func TestVersionAndCheats(t *testing.T) {
	t.Parallel()
	phubRun(t, nil, "", "version").want(t, 0, "phub ", "")
	phubRun(t, nil, "", "--version").want(t, 0, version(), "")
	phubRun(t, nil, "", "cheat").want(t, 0, "child", "")
	phubRun(t, nil, "", "cheat", "req").want(t, 0, "phub req child1 inc", "")
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
	newFakeHub(t).run("status").want(t, exitFailed, "", "no node of the hub answers: h\nTry: phub hub ls")
}
