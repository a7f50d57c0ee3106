package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub/permissions"
)

var (
	codeSpan = regexp.MustCompile("`([^`\n]+)`") // code within a line of text
	loneFlag = regexp.MustCompile(`^--([\w-]+)`)
)

// TestDocs_CommandsAndFlagsExist asks the command line whether it knows every phub command in the docs,
// with its flags: those in code blocks, and those within the text. A flag that stands alone must be one of
// some command.
func TestDocs_CommandsAndFlagsExist(t *testing.T) {
	t.Parallel()
	flags := allFlags(emptyCommandLine().Model())
	commands := 0
	for _, page := range docPages(t) {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range codeIn(string(data)) {
			if m := loneFlag.FindStringSubmatch(text); m != nil && !slices.Contains(flags, m[1]) {
				t.Errorf("%s: %q: no command has the flag --%s", page, text, m[1])
			}
			args := phubArgs(text)
			if args == nil {
				continue
			}
			commands++
			if _, err := emptyCommandLine().ParseContext(markStdin(args)); err != nil {
				t.Errorf("%s: %q: %v", page, text, err)
			}
		}
	}
	if commands < 30 {
		t.Errorf("found %d commands in the docs: too few to say anything", commands)
	}
}

var permissionsShown = regexp.MustCompile("(?s)```console\n\\$ (phub permissions [^\n]*)\n(.*?)```")

// TestDocs_PermissionsAreThoseThatPhubPrints compares the lists in docs/wire.md with what the commands above them print.
func TestDocs_PermissionsAreThoseThatPhubPrints(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := permissionsShown.FindAllStringSubmatch(string(page), -1)
	if len(shown) != len(permissions.Lists) {
		t.Fatalf("found %d lists, expected %d", len(shown), len(permissions.Lists))
	}
	for i, l := range permissions.Lists {
		args := phubArgs(shown[i][1])
		if args[1] != string(l) {
			t.Errorf("found %s in the place of list %s", shown[i][1], l)
		}
		phubRun(t, nil, "", args...).wantExactly(t, 0, shown[i][2], "")
	}
}

func TestPhubArgs_ReadsWhatAShellWould(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"$ phub status --hub h   # looks":                {"status", "--hub", "h"},
		"phub child stop 'a b' \"c d\" | cat":            {"child", "stop", "a b", "c d"},
		"go run ./cmd/phub demo &":                       {"demo"},
		"phub req c -":                                   {"req", "c", "-"},
		"phub: sent again 6 times before node1 answered": nil,
		"nats req phub.my_hub.req.child1 inc":            nil,
	} {
		if got := phubArgs(line); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

func docPages(t *testing.T) []string {
	t.Helper()
	pages := []string{"../../README.md", "../../DESIGN.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../examples/*.md", "../../examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("found no pages by %s: %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	return pages
}

func emptyCommandLine() *fisk.Application {
	a := &app{stdio: stdio{out: io.Discard, err: io.Discard}, env: func(string) string { return "" }}
	return a.commandLine()
}

func allFlags(m *fisk.ApplicationModel) []string {
	var names []string
	add := func(flags []*fisk.FlagModel) {
		for _, f := range flags {
			names = append(names, f.Name)
		}
	}
	add(m.Flags)
	for rest := slices.Clone(m.Commands); len(rest) > 0; rest = rest[1:] {
		add(rest[0].Flags)
		rest = append(rest, rest[0].Commands...)
	}
	return names
}

// codeIn returns each line of each code block of a Markdown page, continued lines joined, and each piece of
// code within its text.
func codeIn(markdown string) []string {
	var code []string
	block := false
	for line := range strings.Lines(strings.ReplaceAll(markdown, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			block = !block
		case block:
			code = append(code, line)
		default:
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				code = append(code, m[1])
			}
		}
	}
	return code
}

// shellWord is one word of a simple command: it may be quoted.
var shellWord = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)

// phubArgs returns the arguments that a line gives to phub, or nil if it is no such command.
func phubArgs(line string) []string {
	line = strings.TrimPrefix(line, "$ ")
	rest, ok := strings.CutPrefix(line, "go run ./cmd/phub")
	if !ok {
		rest, ok = strings.CutPrefix(line, "phub")
	}
	if !ok || rest == "" || rest[0] != ' ' {
		return nil
	}
	args := []string{}
	for _, word := range shellWord.FindAllString(rest, -1) {
		if strings.ContainsAny(word[:1], "#&|;>") {
			break
		}
		args = append(args, strings.Trim(word, `'"`))
	}
	return args
}
