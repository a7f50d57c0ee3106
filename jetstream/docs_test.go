package jetstream_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
		for _, line := range strings.Split(b[2], "\n") {
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
