// Package blocks finds the code blocks of a Markdown file, with what the file says of how each is to
// be tested.
//
// A block's test is said by an HTML comment on the line above its fence:
//
//	<!-- test: run -->            sh: run in an empty folder, beside a hub of `phub dev` (the default for sh)
//	<!-- test: root -->           sh: run in the root of a checkout, without a hub
//	<!-- test: ci -->             sh: .ci/run runs each of its lines
//	<!-- test: output -->         the output of the block before it, but for numbers
//	<!-- test: in FILE -->        found, line by line, in that file of the repository
//	<!-- test: skip REASON -->    not tested
//
// A block without a comment in any other language than sh is an error: nothing is left untested by
// accident.
package blocks

import (
	"fmt"
	"regexp"
	"strings"
)

// Block is one fenced block.
type Block struct {
	Line     int // of its opening fence
	Language string
	Test     string // run, root, ci, output, in, skip
	Arg      string // the file of "in", the reason of "skip"
	Text     string
}

var comment = regexp.MustCompile(`^<!-- test: (\S+) ?(.*?) ?-->$`)

// Parse returns the blocks of a Markdown file in order.
func Parse(markdown string) ([]Block, error) {
	var found []Block
	lines := strings.Split(markdown, "\n")
	for i := 0; i < len(lines); i++ {
		language, fence := strings.CutPrefix(lines[i], "```")
		if !fence {
			continue
		}
		b := Block{Line: i + 1, Language: language}
		if i > 0 {
			if m := comment.FindStringSubmatch(lines[i-1]); m != nil {
				b.Test, b.Arg = m[1], m[2]
			}
		}
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			b.Text += lines[i] + "\n"
		}
		if i == len(lines) {
			return nil, fmt.Errorf("line %d: the block has no end", b.Line)
		}
		if err := b.complete(); err != nil {
			return nil, err
		}
		found = append(found, b)
	}
	return found, nil
}

func (b *Block) complete() error {
	if b.Test == "" && b.Language == "sh" {
		b.Test = "run"
	}
	shell := b.Language == "sh"
	switch b.Test {
	case "run", "root", "ci":
		if shell {
			return nil
		}
		return fmt.Errorf("line %d: test %s is for sh, found %q", b.Line, b.Test, b.Language)
	case "in", "skip":
		if b.Arg != "" {
			return nil
		}
		return fmt.Errorf("line %d: test %s needs an argument", b.Line, b.Test)
	case "output":
		return nil
	}
	return fmt.Errorf("line %d: found the test %q above a block of %q; say one of run, root, ci, output, in FILE, skip REASON", b.Line, b.Test, b.Language)
}

var (
	number = regexp.MustCompile(`[0-9]+(\\\.[0-9]+)?`)
	spaces = regexp.MustCompile(`\s+`)
)

// Shown returns an error that names the first line of want that got does not have. Numbers, and how
// much space stands between words, may differ; a line that is "..." stands for any lines.
func Shown(want, got string) error {
	for line := range strings.Lines(want) {
		line = strings.TrimSpace(line)
		if line == "" || line == "..." || line == "…" {
			continue
		}
		pattern := number.ReplaceAllString(regexp.QuoteMeta(line), `[0-9]+(\.[0-9]+)?`)
		pattern = spaces.ReplaceAllString(pattern, `\s+`)
		if !regexp.MustCompile(pattern).MatchString(got) {
			return fmt.Errorf("no line like %q", line)
		}
	}
	return nil
}

// Holds returns an error that names the first line of part that whole does not have, in the same
// order. Indentation may differ; empty lines and lines that are "..." are passed over.
func Holds(whole, part string) error {
	rest := strings.Split(whole, "\n")
	for line := range strings.Lines(part) {
		line = strings.TrimSpace(line)
		if line == "" || line == "..." || line == "// ..." {
			continue
		}
		at := -1
		for i, have := range rest {
			if strings.TrimSpace(have) == line {
				at = i
				break
			}
		}
		if at < 0 {
			return fmt.Errorf("no line %q after those before it", line)
		}
		rest = rest[at+1:]
	}
	return nil
}
