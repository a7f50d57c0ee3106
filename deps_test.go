package phub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/phub-io/phub"

// goPackage is what `go list` says of one package of this module.
type goPackage struct {
	Dir          string
	ImportPath   string
	Doc          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// name returns the package's folder in the module; "." is the root.
func (p goPackage) name() string { return folder(p.ImportPath) }

// folder returns the folder of an import path of this module, and "" for a path of another module.
func folder(path string) string {
	rest, ok := strings.CutPrefix(path, module)
	switch {
	case !ok:
		return ""
	case rest == "":
		return "."
	}
	return strings.TrimPrefix(rest, "/")
}

var listPackages = sync.OnceValues(func() ([]goPackage, error) {
	cmd := exec.Command("go", "list", "-tags", "e2e", "-json=Dir,ImportPath,Doc,GoFiles,Imports,TestImports,XTestImports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.String())
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("decode go list: %w", err)
		}
		all = append(all, p)
	}
})

func packages(t *testing.T) []goPackage {
	t.Helper()
	all, err := listPackages()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages: too few to say anything", len(all))
	}
	return all
}

// A layer says which folders of the module a folder may import. Both sides end in "/..." for a folder
// with all below it.
type layer struct {
	folder string
	may    []string
	why    string
}

// The layers of DESIGN.md, "Layout". The first one that fits a folder counts.
var layers = []layer{
	{"protocol", nil, "protocol is the leaf that everything else names things by"},
	{"permissions", []string{"protocol"}, "who may do what depends on names alone"},
	{"coordinator/view", []string{"protocol", "coordinator/placement"}, "the deciding core is pure: events in, actions out"},
	{"coordinator/placement", []string{"protocol"}, "placement is a pure function of members, load and what is there"},
	{"worker/replica", []string{"protocol"}, "one replica's life is a pure machine"},
	{"internal/refused", []string{"protocol"}, "every part of a node counts by it"},
	{"internal/lograte", []string{"protocol"}, "every part of a node logs through it"},
	{"coordinator/...", []string{"protocol", "coordinator/...", "internal/refused", "internal/lograte"}, "the deciding side never meets the running side: it knows replicas by name only, and NATS by its ports"},
	{"worker/...", []string{"protocol", "worker/...", "internal/refused", "internal/lograte"}, "the running side never meets the deciding side: it is told what to run, and knows NATS by its ports"},
	{"jetstream", []string{"protocol", "permissions", "coordinator/...", "worker/...", "internal/refused"}, "the adapter implements both sides' ports and is used by the root package alone"},
	{"internal/...", []string{"protocol", "permissions", "coordinator/...", "worker/...", "internal/..."}, "what is no promise stands below the facade"},
	{".", []string{"protocol", "permissions", "coordinator/...", "worker/...", "jetstream", "internal/..."}, "the facade knows no program"},
	{"cmd/...", []string{".", "protocol", "permissions", "worker/...", "internal/...", "cmd/..."}, "a program uses what people import; the decider and the adapter stand behind the facade"},
	{"examples/...", []string{".", "protocol", "worker/..."}, "an example shows what people can import"},
	{"e2e/...", []string{".", "protocol", "permissions", "worker/...", "internal/...", "e2e/..."}, "end-to-end tests look from outside"},
}

func fits(pattern, folder string) bool {
	base, tree := strings.CutSuffix(pattern, "/...")
	return folder == base || tree && strings.HasPrefix(folder, base+"/")
}

func layerOf(folder string) *layer {
	i := slices.IndexFunc(layers, func(l layer) bool { return fits(l.folder, folder) })
	if i < 0 {
		return nil
	}
	return &layers[i]
}

func TestImports_PointOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		l := layerOf(p.name())
		if l == nil {
			t.Errorf("%s stands in no layer: add its folder to the layers in deps_test.go, and to the layout in DESIGN.md", p.name())
			continue
		}
		for _, imported := range p.Imports {
			if f := folder(imported); f != "" && !slices.ContainsFunc(l.may, func(m string) bool { return fits(m, f) }) {
				t.Errorf("%s imports %s; it may import of this module only %q, because %s", p.name(), f, l.may, l.why)
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			f := folder(imported)
			if f == "" || f == p.name() || fits("internal/...", f) {
				continue
			}
			if fits("internal/...", p.name()) && f == "jetstream" {
				continue // the conformance suite's own test may run it over the adapter
			}
			if !slices.ContainsFunc(l.may, func(m string) bool { return fits(m, f) }) {
				t.Errorf("a test of %s imports %s; it may import of this module only %q and internal/..., because %s", p.name(), f, l.may, l.why)
			}
		}
	}
}

func TestImports_NATSOnlyInTheAdapterAndPrograms(t *testing.T) {
	t.Parallel()
	may := []string{".", "jetstream", "internal/natstest", "internal/natsembed", "cmd/...", "examples/...", "e2e/..."}
	for _, p := range packages(t) {
		if slices.ContainsFunc(may, func(m string) bool { return fits(m, p.name()) }) {
			continue
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if strings.HasPrefix(imported, "github.com/nats-io/") || strings.HasPrefix(imported, "github.com/synadia-io/") {
				t.Errorf("%s imports %s; only %q may, because everything else must run, and be tested, without NATS", p.name(), imported, may)
			}
		}
	}
}

// purePackages decide and never act, so that what they do can be replayed, tabled and simulated.
var purePackages = []string{"protocol", "permissions", "coordinator/view", "coordinator/placement", "worker/replica"}

// impure says why a pure package does without an import.
var impure = map[string]string{
	"context":  "nothing in it waits or can be cancelled",
	"sync":     "it is used by one goroutine",
	"os":       "its result depends on its arguments alone",
	"net":      "its result depends on its arguments alone",
	"log/slog": "it returns what there is to say",
}

// clock lists what of package time reads or runs on a clock.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTicker", "NewTimer"}

// seeded lists what of math/rand does not draw from the global source.
var seeded = []string{"New", "NewPCG", "NewChaCha8", "NewSource", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}

func TestPurePackages_DecideAndNeverAct(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, p := range packages(t) {
		if !slices.Contains(purePackages, p.name()) {
			continue
		}
		seen++
		for _, imported := range p.Imports {
			root, _, _ := strings.Cut(imported, "/")
			why := impure[imported]
			if why == "" {
				why = impure[root]
			}
			if why != "" {
				t.Errorf("%s imports %s; a pure package does not, because %s", p.name(), imported, why)
			}
		}
		for _, file := range p.GoFiles {
			checkPure(t, filepath.Join(p.Dir, file))
		}
	}
	if seen != len(purePackages) {
		t.Errorf("found %d of the pure packages %q: the others are not there, or not under these names", seen, purePackages)
	}
}

func checkPure(t *testing.T, path string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("parse: %v", err)
		return
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if what, why := impurity(n); what != "" {
			t.Errorf("%s: %s in a pure package: %s", fset.Position(n.Pos()), what, why)
		}
		return true
	})
}

// impurity says what in n has no place in a pure package, and why.
func impurity(n ast.Node) (what, why string) {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a go statement", "its caller owns all concurrency"
	case *ast.SelectorExpr:
		pkg, ok := n.X.(*ast.Ident)
		switch {
		case !ok:
		case pkg.Name == "time" && slices.Contains(clock, n.Sel.Name):
			return "time." + n.Sel.Name, "time comes in as data"
		case pkg.Name == "rand" && !slices.Contains(seeded, n.Sel.Name):
			return "rand." + n.Sel.Name, "chance comes in as data, from a source with a seed"
		}
	}
	return "", ""
}

func TestImpurity_SeesWhatIsNotPure(t *testing.T) {
	t.Parallel()
	for src, impure := range map[string]bool{
		"go f()":                 true,
		"time.Now()":             true,
		"time.After(1)":          true,
		"rand.IntN(3)":           true,
		"rand.New(nil)":          false,
		"time.Duration(3)":       false,
		"m.Now()":                false,
		"defer f()":              false,
		"func() { go f() }()":    true,
		"x := time.Since(start)": true,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; func y() { "+src+" }", parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse %q: %v", src, err)
		}
		found := ""
		ast.Inspect(f, func(n ast.Node) bool {
			if what, _ := impurity(n); what != "" {
				found = what
			}
			return true
		})
		if (found != "") != impure {
			t.Errorf("%q: found %q, want something found: %v", src, found, impure)
		}
	}
}

func TestPackages_SayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment: godoc and its readers need one", p.name())
		}
	}
}
