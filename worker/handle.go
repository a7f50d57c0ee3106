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
	j.limit = s.limited(j)
	data, ok, err := s.call(j, r)
	if !ok || !j.limit.over() || j.in.Reply == nil {
		return
	}
	if cause := s.lost(j.tenure); cause != nil {
		s.h.fail(j.in, j.run.header(j.epoch), protocol.CodeCancelled, protocol.CauseCancelled,
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
	if errors.Is(err, ErrNotHandled) {
		s.h.refuse(j.in, err.Error())
		return
	}
	base := j.run.replyHeader(j.epoch)
	header, size := base.header, base.size+len(data)
	if r.reply != nil {
		header = r.replyHeader(header)
		size = headerSize(header) + len(data)
	}
	if err == nil && size > s.h.maxPayload() {
		s.h.fail(j.in, base.header, protocol.CodeTooLarge, protocol.CauseReply,
			fmt.Sprintf("the reply has %d bytes with its headers, NATS carries at most %d here; raise max_payload, or reply with less", size, s.h.maxPayload()))
		return
	}
	if err != nil {
		header, data = s.h.failure(header, codeOf(err), err.Error(), data)
	}
	if err := s.h.reply(j.in, header, data); err != nil {
		s.h.fail(j.in, base.header, protocol.CodeHandler, protocol.CauseReply,
			"the request was handled, but NATS refuses the reply: "+err.Error()+"; look at the names of its headers")
	}
}

// recovered turns a panic of user code into an answer and a restart. It must be deferred itself.
func (s *slot) recovered(r *run, j *job) {
	p := recover()
	if p == nil {
		return
	}
	s.h.cfg.Logger.Error("a worker panicked", "child", s.child, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if j != nil && j.limit.over() {
		s.h.fail(j.in, j.run.header(j.epoch), protocol.CodePanic, protocol.CausePanic, fmt.Sprintf("the worker of %s on %s panicked: %v", s.child, s.h.cfg.Node, p))
	}
	r.cancel(ErrFailed)
	s.step(replica.Ended{Run: r.id, Err: errorText(fmt.Sprintf("panic: %v", p))})
}

// refuse answers that nothing was done. When the lease ran out a while ago it says nothing: another
// node may be active by now, and have got the same request.
func (h *Host) refuse(in *Incoming, why string) {
	if h.lease.over(h.cfg.Now()) {
		return
	}
	h.fail(in, h.header, protocol.CodeNotActive, protocol.CauseNotActive, why)
}

// fail answers with an error of phub's own.
func (h *Host) fail(in *Incoming, base map[string][]string, code int, cause, text string) {
	header, _ := h.failure(base, code, text, nil)
	header[protocol.HeaderCause] = []string{cause}
	_ = h.reply(in, header, nil)
}

// failure returns headers and body of an error. A body that is too large is left out.
func (h *Host) failure(base map[string][]string, code int, text string, data []byte) (map[string][]string, []byte) {
	header := make(map[string][]string, len(base)+3)
	maps.Copy(header, base)
	header[protocol.HeaderErrorCode] = []string{strconv.Itoa(code)}
	header[protocol.HeaderError] = []string{headerText(text)}
	if len(data)+headerSize(header) > h.maxPayload() {
		data = nil
	}
	return header, data
}

// reply sends the one reply, if there is somebody to send it to. The error is also logged.
func (h *Host) reply(in *Incoming, header map[string][]string, data []byte) error {
	if in.Reply == nil {
		return nil
	}
	err := in.Reply.Reply(header, data)
	if err != nil && h.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		h.cfg.Logger.Debug("a reply was not sent", "child", in.Child, "error", err)
	}
	return err
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
