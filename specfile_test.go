package phub_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phub-io/phub"
)

const twoYAML = `
children:
  - child: orders.eu
    kind: counter
    args: {start: "5"}
    metadata: {tag: shop}
    restart: {policy: transient, max: 3, within: 1m}
    redundancy: {strategy: replication, replication_factor: 2, replication_model: active_passive}
  - {child: b, kind: echo, redundancy: {strategy: replication, replication_factor: cluster_size}}
`

func TestParseSpecs_Forms(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"object with a list": {twoYAML, []string{"orders.eu", "b"}},
		"list":               {"- {child: a, kind: echo}\n- {child: b, kind: echo}\n", []string{"a", "b"}},
		"one":                {"child: a\nkind: echo\n", []string{"a"}},
		"JSON":               {`[{"child":"a","kind":"echo"}]`, []string{"a"}},
		"JSON object":        {`{"children":[{"child":"a","kind":"echo"}]}`, []string{"a"}},
		"several documents":  {"# first\n---\nchild: a\nkind: echo\n--- # second\n- {child: b, kind: echo}\n---\n", []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			specs, err := phub.ParseSpecs([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range specs {
				got = append(got, s.Child)
			}
			if strings.Join(got, " ") != strings.Join(tc.want, " ") {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// A merge key gives a child the fields of another one, of which it may give others itself.
func TestParseSpecs_MergeKeys(t *testing.T) {
	t.Parallel()
	specs, err := phub.ParseSpecs([]byte(`
- &base {child: a, kind: echo, args: {since: 2001-01-01, 1: one}, redundancy: {replication_factor: 2}}
- {<<: *base, child: b, redundancy: {replication_factor: 3}}
`))
	if err != nil {
		t.Fatal(err)
	}
	a, b := specs[0], specs[1]
	if b.Child != "b" || b.Kind != "echo" || a.Redundancy.Factor != 2 || b.Redundancy.Factor != 3 {
		t.Errorf("got %+v and %+v", a, b)
	}
	if b.Args["since"] != "2001-01-01" || b.Args["1"] != "one" {
		t.Errorf("args are not as they were written: %v", b.Args)
	}
}

func TestFromFile_ReadsEveryField(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "children.yaml")
	if err := os.WriteFile(path, []byte(twoYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, err := phub.FromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := specs[0]
	want := phub.Redundancy{Strategy: phub.Replication, Factor: 2, Model: phub.ActivePassive}
	if s.Args["start"] != "5" || s.Metadata["tag"] != "shop" || s.Restart.Policy != phub.Transient || s.Redundancy != want {
		t.Errorf("got %+v", s)
	}
	if specs[1].Redundancy.Factor != phub.ClusterSize {
		t.Errorf("got the factor %v, want cluster_size", specs[1].Redundancy.Factor)
	}
	if _, err := phub.FromFile(path + ".none"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestParseSpecs_ErrorsNameTheField(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":               {"", "children: found none"},
		"comment only":          {"# nothing\n", "children: found none"},
		"a number":              {"42", "a child spec"},
		"field without a name":  {"child: a\nkind: echo\n\"\": x\n", `: found a field that no child spec has`},
		"unknown field":         {"child: a\nkind: echo\nkynd: x\n", `kynd: found a field that no child spec has`},
		"unknown in part":       {"child: a\nkind: echo\nredundancy: {factor: 2}\n", "document 1: redundancy.factor: found"},
		"beside children":       {"children: []\nversion: 2\n", "version: found beside children"},
		"number for string":     {"child: a\nkind: echo\nargs: {port: 8080}\n", "put it in quotes"},
		"bad factor":            {"child: a\nkind: echo\nredundancy: {replication_factor: many}\n", "replication_factor"},
		"bad duration":          {"child: a\nkind: echo\nrestart: {within: soon}\n", `restart.within: found "soon"`},
		"bad name":              {"- {child: a, kind: echo}\n- {child: 'b c', kind: echo}\n", "child 2 (b c): child"},
		"path of a later child": {"- {child: a, kind: echo}\n- {child: b, kind: echo, redundancy: {replication_factor: many}}\n", "child 2 (b): redundancy.replication_factor"},
		"path of an arg":        {"- {child: a, kind: echo, args: {port.eu: 8080}}\n", "child 1 (a): args.port.eu"},
		"nameless":              {"[{kind: echo}]", "child 1: child: found nothing"},
		"twice":                 {"- {child: a, kind: echo}\n- {child: a, kind: echo}\n", "the name of child 1 already"},
		"key twice":             {"child: a\nchild: b\nkind: echo\n", "child"},
		"document is named":     {"child: a\nkind: echo\n---\nchild: b\nnope: 1\n", "document 2"},
		"list where a name":     {"child: [a]\nkind: echo\n", "child"},
		"broken":                {"child: {", "document 1"},
		"null in the list":      {"[null]", "child"},
		"children no list":      {"children: 5", "document 1"},
		"tabs in indentation":   {"children:\n\t- child: a", "document 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			specs, err := phub.ParseSpecs([]byte(tc.text))
			if err == nil {
				t.Fatalf("got %+v, want an error", specs)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, want %q in it", err, tc.want)
			}
		})
	}
}

func FuzzParseSpecs(f *testing.F) {
	for _, seed := range []string{twoYAML, "", "---\n---", "[null]", `{"children":[{"child":"a","kind":"echo"}]}`, "a: &a [*a]", "- child: a\n  kind: echo\n---\nx"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		specs, err := phub.ParseSpecs(data)
		if err != nil {
			return
		}
		for i := range specs {
			if err := specs[i].Validate(); err != nil {
				t.Errorf("an invalid spec came out: %v", err)
			}
		}
	})
}
