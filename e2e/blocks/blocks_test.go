package blocks_test

import (
	"strings"
	"testing"

	"github.com/phub-io/phub/e2e/blocks"
)

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := blocks.Parse("# x\n```sh\na\nb\n```\n\n<!-- test: in a/b.go -->\n```go\nc\n```\n<!-- test: output -->\n```\nd\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []blocks.Block{
		{Line: 2, Language: "sh", Test: "run", Text: "a\nb\n"},
		{Line: 8, Language: "go", Test: "in", Arg: "a/b.go", Text: "c\n"},
		{Line: 12, Test: "output", Text: "d\n"},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}

func TestParse_RefusesWhatIsNotTested(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"```go\nx\n```":                          "line 1",
		"<!-- test: skip -->\n```sh\nx\n```":     "needs an argument",
		"<!-- test: run -->\n```go\nx\n```":      "is for sh",
		"<!-- test: whatever -->\n```sh\nx\n```": "whatever",
		"```sh\nx":                               "no end",
	} {
		if _, err := blocks.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestShown_LetsNumbersAndSpaceDiffer(t *testing.T) {
	t.Parallel()
	got := "node1   up  3 children\ntook 12.5 ms\n"
	if err := blocks.Shown("node2 up 17 children\n...\ntook 3 ms\n", got); err != nil {
		t.Error(err)
	}
	if blocks.Shown("node2 down 17 children\n", got) == nil {
		t.Error("found a line that is not there")
	}
}

func TestHolds_WantsLinesInOrder(t *testing.T) {
	t.Parallel()
	whole := "a\n\tb\nc\n"
	if err := blocks.Holds(whole, "a\n...\n  c\n"); err != nil {
		t.Error(err)
	}
	if blocks.Holds(whole, "c\na\n") == nil {
		t.Error("found lines in another order")
	}
}
