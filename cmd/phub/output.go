package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/phub-io/phub/protocol"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printJSON prints a value for programs: indented, and as it is on the wire.
func (a *app) printJSON(v any) error { return writeJSON(a.out, v, "  ") }

// printJSONLine prints a value on one line.
func (a *app) printJSONLine(v any) error { return writeJSON(a.out, v, "") }

func writeJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escaped(b.Bytes()))
	return err
}

// escaped returns JSON in which what might control a terminal is escaped: encoding/json leaves all as it is but what ASCII has
// below the blank. It can only be within strings.
func escaped(data []byte) []byte {
	controls := func(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
	if bytes.IndexFunc(data, controls) < 0 {
		return data
	}
	out := make([]byte, 0, 2*len(data))
	for _, r := range string(data) {
		if !controls(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, "\\u%04x", unit)
		}
	}
	return out
}

// Colours: the numbers of ANSI's.
const (
	red    = 31
	green  = 32
	yellow = 33
	grey   = 90
)

// text is what a screen shows as it is: words and colours of phub's own, and of what came from elsewhere its
// printable form. Nothing but this file makes it.
type text string

// textf is fmt.Sprintf for a screen: a newline or a control sequence is one of phub's own only in the format.
func textf(format string, args ...any) text {
	for i, arg := range args {
		args[i] = safe(arg)
	}
	return text(fmt.Sprintf(format, args...))
}

// safe returns what of a value may go to a screen.
func safe(v any) any {
	if t, ok := v.(text); ok {
		return t
	}
	switch reflect.ValueOf(v).Kind() {
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return v
	}
	return clean(fmt.Sprint(v))
}

// clean returns s on one line, without anything that would control the terminal.
func clean(s string) text { return text(protocol.Printable(s)) }

// trim returns t without blanks at its end.
func (t text) trim() text { return text(strings.TrimRight(string(t), " ")) }

// lines returns a text of several lines, of which only the first begins where phub's own words do.
func lines(s string) text {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		if b.Len() > 0 {
			b.WriteString("\n  ")
		}
		b.WriteString(string(clean(line)))
	}
	return text(b.String())
}

// payload returns a worker's reply for a terminal: its lines and tabs stay, and nothing else that controls it.
func payload(data []byte) text {
	return text(protocol.PrintableLines(strings.TrimSuffix(string(data), "\n")))
}

// printf prints on stdout, by the rules of textf.
func (a *app) printf(format string, args ...any) { printTo(a.out, format, args...) }

// warnf prints on stderr, by the rules of textf.
func (a *app) warnf(format string, args ...any) { printTo(a.err, format, args...) }

func printTo(w io.Writer, format string, args ...any) { fmt.Fprint(w, string(textf(format, args...))) }

// printLine prints one line on stdout. It returns an error when nobody reads it any more.
func (a *app) printLine(t text) error {
	_, err := fmt.Fprintln(a.out, string(t))
	return err
}

// printOwn prints on stdout what phub made itself, of what stands on the command line and nothing else.
func (a *app) printOwn(s string) error {
	_, err := fmt.Fprint(a.out, s)
	return err
}

// paint colours what is shown of v if the output is a terminal that wants it.
func (a *app) paint(colour int, v any) text {
	t := textf("%v", v)
	if !a.colour {
		return t
	}
	return text(fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, t))
}

// table is rows under headings, aligned by spaces.
type table struct {
	rows [][]text
}

func newTable(headings ...any) *table {
	t := &table{}
	t.add(headings...)
	return t
}

func (t *table) add(cells ...any) {
	row := make([]text, len(cells))
	for i, c := range cells {
		row[i] = textf("%v", c)
	}
	t.rows = append(t.rows, row)
}

func (t *table) print(w io.Writer) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible(cell))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(string(cell))
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-visible(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

var ansi = regexp.MustCompile("\x1b\\[[0-9]*m")

// visible returns how many columns t takes.
func visible(t text) int { return utf8.RuneCountInString(ansi.ReplaceAllString(string(t), "")) }

// dash stands for what is empty.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// plural returns "1 child", "2 children".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// pairs returns a map as sorted k=v.
func pairs(m map[string]string) string {
	var list []string
	for _, k := range sortedKeys(m) {
		list = append(list, value(k)+"="+value(m[k]))
	}
	return strings.Join(list, " ")
}

// value returns what somebody chose, in quotes unless it is plain: what stands beside it can't be forged by it.
func value(s string) string {
	if strings.ContainsAny(s, " \"\\") || protocol.Printable(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// millis returns d in milliseconds with two decimals.
func millis(d time.Duration) float64 { return float64(d.Microseconds()/10) / 100 }
