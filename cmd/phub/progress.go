package main

import (
	"fmt"
	"io"

	"github.com/phub-io/phub"
)

// progress shows how far a long command is, on one line of a terminal.
type progress struct {
	w    io.Writer // nil: nothing is shown
	verb string
}

// progress returns a display for n children: none without a terminal, or for a few.
func (a *app) progress(verb string, n int) *progress {
	p := a.progressOf(verb)
	if n <= listed {
		p.w = nil
	}
	p.update(0, n)
	return p
}

// progressOf returns a display for whatever number: none without a terminal.
func (a *app) progressOf(verb string) *progress {
	if !isTerminal(a.err) || a.json {
		return &progress{}
	}
	return &progress{w: a.err, verb: verb}
}

func (p *progress) update(done, total int) {
	if p.w != nil {
		printTo(p.w, "\r%s %d of %d", p.verb, done, total)
	}
}

// end takes the line away.
func (p *progress) end() {
	if p.w != nil {
		printTo(p.w, "\r\x1b[K")
	}
}

// parseStdin reads child specs from standard input.
func parseStdin(in io.Reader) ([]phub.Spec, error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read stdin: %w", err)
	}
	specs, err := phub.ParseSpecs(data)
	if err != nil {
		return nil, usageError{fmt.Errorf("stdin: %w", err)}
	}
	return specs, nil
}
