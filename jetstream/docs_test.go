package jetstream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/permissions"
	"github.com/phub-io/phub/protocol"
)

var shown = regexp.MustCompile("(?s)(?:<!-- test: in ([^\n]+) -->\n)?```(?:text|json)\n(.*?)\n```")

// TestDocs_ShowWhatIsTried compares the configurations in docs/nats.md with the files that other tests
// run servers with.
func TestDocs_ShowWhatIsTried(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/nats.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shown.FindAllStringSubmatch(string(page), -1)
	if want := strings.Count(string(page), "```") / 2; len(blocks) != want || want == 0 {
		t.Fatalf("found %d blocks that are to be compared, expected all %d", len(blocks), want)
	}
	for _, b := range blocks {
		if b[1] == "" {
			t.Errorf("nothing says in which file this is tried:\n%s", b[2])
			continue
		}
		file, err := os.ReadFile(filepath.Join("..", b[1]))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(file), "\n")
		for line := range strings.SplitSeq(b[2], "\n") {
			if !containsTrimmed(lines, line) {
				t.Errorf("%s has no line %q", b[1], line)
			}
		}
	}
}

func containsTrimmed(lines []string, line string) bool {
	for _, l := range lines {
		if strings.TrimSpace(l) == strings.TrimSpace(line) {
			return true
		}
	}
	return false
}

const withImports = `
system_account: SYS
accounts {
  SYS { exports: [
    { stream: "$SYS.ACCOUNT.APP.DISCONNECT", accounts: [ APP ] }
    { service: "$SYS.REQ.SERVER.*.KICK", accounts: [ APP ] }
  ] }
  APP {
    jetstream: enabled
    users: [
      { user: node, password: node, %s }
      { user: client, password: client, %s }
    ]
    imports: [
      { stream: { account: SYS, subject: "$SYS.ACCOUNT.APP.DISCONNECT" }, to: "phub._sys.disconnect" }
      { service: { account: SYS, subject: "$SYS.REQ.SERVER.*.KICK" }, to: "phub._sys.kick.*" }
    ]
  }
}
`

// TestPermissions_OfTheSystemAccountAreTheNodesAlone runs a server with the permissions of docs/wire.md, and with access to the
// system account.
func TestPermissions_OfTheSystemAccountAreTheNodesAlone(t *testing.T) {
	t.Parallel()
	list := func(lists ...permissions.List) string {
		p, err := permissions.Of(permissions.Options{Hub: "h", System: true}, lists...)
		if err != nil {
			t.Fatal(err)
		}
		return p.Conf()
	}
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) {
		conf := fmt.Sprintf(withImports, list(permissions.Node), list(permissions.Asks, permissions.Operates, permissions.Watches))
		if err := o.ProcessConfigString(conf); err != nil {
			t.Error(err)
		}
	}})
	if srv.Running() == nil {
		t.Fatal("the server does not run")
	}
	kickAndHear(t, dial(srv.URL(), nats.UserInfo("node", "node")))
	denied := make(chan error, 1)
	nc := natstest.Connect(t, srv.URL(), nats.UserInfo("client", "client"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	if err := nc.Publish(protocol.KickSubject(nc.ConnectedServerId()), []byte(`{"cid":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := <-denied; !strings.Contains(err.Error(), "phub._sys.kick") {
		t.Errorf("a client that has a connection closed: %v, expected that it may not", err)
	}
}

var namedTest = regexp.MustCompile("`((?:Test|Example)[A-Za-z0-9_]+)`")

// TestDocs_NamedTestsExist finds each test that the docs name. In docs/security.md each row of a table names one.
func TestDocs_NamedTestsExist(t *testing.T) {
	t.Parallel()
	have := testFunctions(t, "..")
	for _, name := range []string{"nats.md", "security.md"} {
		page, err := os.ReadFile("../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		names := namedTest.FindAllStringSubmatch(string(page), -1)
		if len(names) == 0 {
			t.Errorf("docs/%s names no test", name)
		}
		for _, n := range names {
			if !have[n[1]] {
				t.Errorf("docs/%s names %s, which does not exist", name, n[1])
			}
		}
		for line := range strings.Lines(string(page)) {
			isRow := strings.HasPrefix(line, "| ") && !strings.HasSuffix(strings.TrimSpace(line), "tests |")
			if name == "security.md" && isRow && !namedTest.MatchString(line) {
				t.Errorf("docs/%s has a row that names no test: %s", name, line)
			}
		}
	}
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Example)[A-Za-z0-9_]+)\(`)

// testFunctions returns the names of the test functions in a folder and all below it.
func testFunctions(t *testing.T, root string) map[string]bool {
	t.Helper()
	have := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllStringSubmatch(string(file), -1) {
			have[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return have
}
