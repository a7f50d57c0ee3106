package protocol

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText bounds a text for people, such as an error or a reason, in bytes: longer ones are cut where they arise.
const MaxText = 1024

// Cut returns s with at most limit bytes of valid UTF-8. What is cut off is said at its end. limit must be 64 or more.
func Cut(s string, limit int) string {
	size := len(s)
	s = strings.ToValidUTF8(s[:min(size, limit+utf8.UTFMax)], "\ufffd")
	if size <= limit && len(s) <= limit {
		return s
	}
	mark := fmt.Sprintf("… (%d bytes)", size)
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// Printable returns s as one line that a terminal shows as it is: what would control the terminal, hide or
// reorder what stands beside it, or is no UTF-8, is written as in a Go string.
func Printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == utf8.RuneError, !unprintable(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// PrintableLines is Printable for a text of several lines: newlines and tabs stay as they are.
func PrintableLines(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		end := strings.IndexAny(s, "\n\t")
		if end < 0 {
			b.WriteString(Printable(s))
			break
		}
		b.WriteString(Printable(s[:end]))
		b.WriteByte(s[end])
		s = s[end+1:]
	}
	return b.String()
}

// unprintable reports whether a rune has no shape of its own. utf8.RuneError stands for bytes that are no
// UTF-8, but may be in s itself.
func unprintable(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
