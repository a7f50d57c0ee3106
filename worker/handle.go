package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// handle gives one request to the worker and answers it.
func (s *slot) handle(j *job) {
	r := &Request{Child: s.child, Node: s.h.cfg.Node, Epoch: j.epoch, Data: j.in.Data, Header: j.in.Header}
	data, ok, err := s.call(j, r)
	if !ok || j.in.Reply == nil {
		return
	}
	if cause := s.lost(j.tenure); cause != nil {
		s.h.fail(j.in, j.run.header(j.epoch), protocol.CodeCancelled,
			"its effect is unknown: "+s.child+" on "+s.h.cfg.Node+" lost its role while it handled the request: "+cause.Error())
		return
	}
	s.answer(j, r, data, err)
}

// call calls the worker; not ok means that it panicked, which is answered already.
func (s *slot) call(j *job, r *Request) (data []byte, ok bool, err error) {
	defer s.recovered(j.run, j)
	data, err = j.run.worker.Handle(j.tenure.ctx, r)
	return data, true, err
}

// lost returns why the role was lost since the request was given to the worker, or nil. A worker that
// failed has not lost its role by that: what it returned is its answer, unless it was waited for no more.
func (s *slot) lost(t *tenure) error {
	s.mu.Lock()
	over := t.over
	s.mu.Unlock()
	if over != nil {
		return over
	}
	if cause := context.Cause(t.ctx); cause != nil && !errors.Is(cause, ErrFailed) {
		return cause
	}
	if s.h.cfg.Now() >= s.h.lease.Until() {
		return ErrLeaseLost
	}
	return nil
}

func (s *slot) answer(j *job, r *Request, data []byte, err error) {
	base := j.run.replyHeader(j.epoch)
	header, size := base.header, base.size+len(data)
	if r.reply != nil {
		header = r.replyHeader(header)
		size = headerSize(header) + len(data)
	}
	if err != nil {
		s.h.failWith(j.in, header, codeOf(err), err.Error(), data)
		return
	}
	if size > s.h.maxPayload() {
		s.h.fail(j.in, base.header, protocol.CodeTooLarge,
			fmt.Sprintf("the reply has %d bytes with its headers, NATS carries at most %d here; raise max_payload, or reply with less", size, s.h.maxPayload()))
		return
	}
	s.h.reply(j.in, header, data)
}

// recovered turns a panic of user code into an answer and a restart. It must be deferred itself.
func (s *slot) recovered(r *run, j *job) {
	p := recover()
	if p == nil {
		return
	}
	s.h.cfg.Logger.Error("a worker panicked", "child", s.child, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if j != nil {
		s.h.fail(j.in, j.run.header(j.epoch), protocol.CodePanic, fmt.Sprintf("the worker of %s on %s panicked: %v", s.child, s.h.cfg.Node, p))
	}
	r.cancel(ErrFailed)
	s.step(replica.Ended{Run: r.id, Err: fmt.Sprintf("panic: %v", p)})
}

// refuse answers that nothing was done. When the lease ran out a while ago it says nothing: another
// node may be active by now, and have got the same request.
func (h *Host) refuse(in *Incoming, why string) {
	if h.lease.over(h.cfg.Now()) {
		return
	}
	h.fail(in, h.header, protocol.CodeNotActive, why)
}

func (h *Host) fail(in *Incoming, base map[string][]string, code int, text string) {
	h.failWith(in, base, code, text, nil)
}

func (h *Host) failWith(in *Incoming, base map[string][]string, code int, text string, data []byte) {
	header := make(map[string][]string, len(base)+2)
	maps.Copy(header, base)
	header[protocol.HeaderErrorCode] = []string{strconv.Itoa(code)}
	header[protocol.HeaderError] = []string{headerText(text)}
	if len(data)+headerSize(header) > h.maxPayload() {
		data = nil
	}
	h.reply(in, header, data)
}

func (h *Host) reply(in *Incoming, header map[string][]string, data []byte) {
	if in.Reply == nil {
		return
	}
	if err := in.Reply.Reply(header, data); err != nil && h.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		h.cfg.Logger.Debug("a reply was not sent", "child", in.Child, "error", err)
	}
}

// maxErrorText bounds the text of an error in a header, in bytes.
const maxErrorText = 1024

// headerText makes one line of text that a header can hold.
func headerText(s string) string {
	if len(s) > maxErrorText {
		s = strings.ToValidUTF8(s[:maxErrorText], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// headerSize returns how many bytes NATS needs for a header.
func headerSize(h map[string][]string) int {
	n := len("NATS/1.0\r\n\r\n")
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	return n
}
