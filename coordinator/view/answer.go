package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// Bounds of answers, in bytes of JSON: a default NATS server carries 1 MiB.
const (
	answerBytes = 768 << 10 // of one to a request that names children
	pageBytes   = 512 << 10 // of a page of a list
)

// fit returns results that fit into one answer: texts are cut, and replicas left out, as far as is needed and with a
// mark. Nobody loses the answer for all children because of what there is to say of some.
func fit(results []protocol.ChildResult) []protocol.ChildResult {
	replicas := mostReplicas(results)
	if replicas == protocol.MaxFactor && size(results) <= answerBytes {
		return results
	}
	results = slices.Clone(results)
	for _, step := range []struct{ text, replicas int }{{256, replicas}, {64, replicas}, {64, min(replicas, 16)}, {64, min(replicas, 2)}, {64, 0}} {
		for i := range results {
			shorten(&results[i], step.text, step.replicas)
		}
		if size(results) <= answerBytes {
			return results
		}
	}
	for i := range results {
		if e := results[i].Error; e != nil {
			results[i].Error = &protocol.Problem{Code: e.Code, Message: "there is no room to say why", Try: "phub child info CHILD"}
		}
	}
	return results
}

// fitInfo shortens what there is to say of one child, if it would not fit into an answer: one child makes no list fail.
func fitInfo(c *protocol.ChildInfo) {
	const replicas, text = 250, 64
	if len(c.Replicas)+len(c.Failed) < 50 || len(encode(c)) <= pageBytes {
		return
	}
	r := protocol.ChildResult{Replicas: c.Replicas}
	shorten(&r, text, replicas)
	c.Replicas, c.Omitted = r.Replicas, r.Omitted
	c.Failed = slices.Clone(c.Failed[:min(len(c.Failed), replicas)]) // Replicas has them, too
	for i := range c.Failed {
		c.Failed[i].Error = protocol.Cut(c.Failed[i].Error, text)
	}
}

// mostReplicas returns how many replicas of each child there may be room for, as far as can be told without a look at each.
func mostReplicas(results []protocol.ChildResult) int {
	const least = 64 // bytes of one replica
	n := 0
	for i := range results {
		n += len(results[i].Replicas)
	}
	if n*least <= answerBytes {
		return protocol.MaxFactor
	}
	return answerBytes / least / len(results)
}

func size(results []protocol.ChildResult) int {
	n := 0
	for i := range results {
		n += len(encode(&results[i])) + 1
	}
	return n
}

// shorten cuts the texts of a result, and leaves out replicas. What others hold of it stays as it is.
func shorten(r *protocol.ChildResult, text, replicas int) {
	if r.Error != nil {
		r.Error = &protocol.Problem{Code: r.Error.Code, Message: protocol.Cut(r.Error.Message, text), Try: protocol.Cut(r.Error.Try, text)}
	}
	keep := min(len(r.Replicas), replicas)
	r.Omitted += len(r.Replicas) - keep
	r.Replicas = slices.Clone(r.Replicas[:keep])
	for i := range r.Replicas {
		r.Replicas[i].Error = protocol.Cut(r.Replicas[i].Error, text)
		r.Replicas[i].Notice = protocol.Cut(r.Replicas[i].Notice, text)
		r.Replicas[i].LastError = protocol.Cut(r.Replicas[i].LastError, text)
	}
}
