package protocol

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"short":        {"all is well", "all is well"},
		"as it fits":   {strings.Repeat("x", 64), strings.Repeat("x", 64)},
		"one too many": {strings.Repeat("x", 65), strings.Repeat("x", 50) + "… (65 bytes)"},
		"2 MB":         {strings.Repeat("x", 2<<20), strings.Repeat("x", 45) + "… (2097152 bytes)"},
		"in a rune":    {strings.Repeat("ä", 40), strings.Repeat("ä", 25) + "… (80 bytes)"},
		"no UTF-8":     {"a\xff\xc3", "a\ufffd"},
		"grows":        {strings.Repeat("\xffa", 32), strings.Repeat("\ufffda", 12) + "… (64 bytes)"},
	} {
		got := Cut(c.in, 64)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if len(got) > 64 || !utf8.ValidString(got) || Cut(got, 64) != got {
			t.Errorf("%s: got %d bytes: %q", name, len(got), got)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                         "",
		"plain text, 日本 äö":        "plain text, 日本 äö",
		`C:\dir "x"`:               `C:\dir "x"`,
		"a\nb\tc\rd":               `a\nb\tc\rd`,
		"\x1b[2J\x07\x00\x7f":      `\x1b[2J\x07\x00\x7f`,
		"\u009b2J\u0085":           `\u009b2J\u0085`,
		"\xff\xc3":                 `\xff\xc3`,
		"\ufffd":                   "\ufffd",
		"a\u202eb\u2066\u200f":     `a\u202eb\u2066\u200f`,
		"a\u200bb\ufeff\u00ad":     `a\u200bb\ufeff\u00ad`,
		"\u2028\u00a0\u3164\ufe0f": `\u2028\u00a0\u3164\ufe0f`,
		"\U000e0041\u034f":         `\U000e0041\u034f`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestPrintableLines(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "plain": "plain", "\x07a\n\tb\r\n\xff\n": "\\x07a\n\tb\\r\n\\xff\n", "\n": "\n", "a\x00": "a\\x00"} {
		if got := PrintableLines(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
