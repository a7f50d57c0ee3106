package kinds

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// maxLine is the longest line that a program may write: 1 MiB of data in base64, and room for the rest.
const maxLine = (1<<20)*4/3 + 64<<10

// requestLine and modeLine are what a program reads, one JSON object a line.
type requestLine struct {
	Type   string              `json:"type"` // "request"
	ID     uint64              `json:"id"`
	Data   *string             `json:"data,omitempty"`
	Base64 []byte              `json:"data_base64,omitempty"` // instead of data, if that is no UTF-8
	Header map[string][]string `json:"header,omitempty"`
	Epoch  uint64              `json:"epoch"`
}

type modeLine struct {
	Type   string `json:"type"` // "mode"
	Mode   string `json:"mode"`
	Epoch  uint64 `json:"epoch"`
	Reason string `json:"reason"`
}

// programLine is what a program writes.
type programLine struct {
	Type   string            `json:"type"` // "reply" or "ready"
	ID     uint64            `json:"id"`
	Data   string            `json:"data"`
	Base64 []byte            `json:"data_base64"`
	Header map[string]string `json:"header"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`

	long bool // it was longer than maxLine; ID is 0 if that was not to be seen
}

// lines reads a program's output line by line, and keeps no more of a line than maxLine.
type lines struct {
	r    *bufio.Reader
	line []byte
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next line that is not empty, without its end, until the call after it. Of one that is too long it
// returns the beginning, and that it is not whole.
func (l *lines) next() (line []byte, whole bool, err error) {
	for {
		l.line, whole = l.line[:0], true
		more := true
		for more {
			var part []byte
			part, err = l.r.ReadSlice('\n')
			more = errors.Is(err, bufio.ErrBufferFull)
			if len(l.line)+len(part) > maxLine {
				part, whole = part[:maxLine-len(l.line)], false
			}
			l.line = append(l.line, part...)
		}
		if b := bytes.TrimRight(l.line, "\r\n"); len(b) > 0 {
			return b, whole, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
}

var idField = regexp.MustCompile(`"id"\s*:\s*([0-9]+)`)

// idOf returns the id in the beginning of a line that is too long to be parsed, or 0. In a JSON string its quotes would be
// escaped.
func idOf(line []byte) uint64 {
	m := idField.FindSubmatch(line)
	if m == nil {
		return 0
	}
	id, _ := strconv.ParseUint(string(m[1]), 10, 64) // 0 if it is no id of ours
	return id
}

func newRequestLine(id uint64, r *worker.Request) requestLine {
	l := requestLine{Type: "request", ID: id, Header: r.Header, Epoch: r.Epoch}
	if utf8.Valid(r.Data) {
		text := string(r.Data)
		l.Data = &text
		return l
	}
	l.Base64 = r.Data
	return l
}

func parseLine(b []byte) (programLine, error) {
	var l programLine
	if err := json.Unmarshal(b, &l); err != nil {
		return l, fmt.Errorf("found %.120q on stdout, expected one JSON object a line (write what is for people to stderr): %w", b, err)
	}
	if l.Type != "reply" && l.Type != "ready" {
		return l, fmt.Errorf("found a line of type %.40q on stdout, expected reply or ready", l.Type)
	}
	return l, nil
}

// result returns what a handler is to return for the line.
func (l *programLine) result(r *worker.Request) ([]byte, error) {
	if l.long {
		return nil, worker.Errorf(protocol.CodeTooLarge, "the program's reply is a line of more than %d bytes; reply with less", maxLine)
	}
	for k, v := range l.Header {
		r.SetReplyHeader(k, v)
	}
	data := []byte(l.Data)
	if l.Base64 != nil {
		data = l.Base64
	}
	if l.Error != nil {
		return data, &worker.Error{Code: l.Error.Code, Message: l.Error.Message}
	}
	return data, nil
}
