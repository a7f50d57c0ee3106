package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestPacer_AsksAFewAgainAndAgainUntilOneAnswers(t *testing.T) {
	t.Parallel()
	p := newPacer(10)
	for i, want := range [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 0, 1}} {
		if got := p.next(time.Duration(i) * firstLost); !slices.Equal(got, want) {
			t.Errorf("%d: found %v, expected %v", i, got, want)
		}
	}
}

func TestPacer_AnswersOpenTheWindowAndRefusalsCloseIt(t *testing.T) {
	t.Parallel()
	p := newPacer(10_000)
	ask := p.next(0)
	for _, c := range ask {
		p.answered(c)
	}
	grown := leastWindow + 2*len(ask)
	if ask = p.next(1); len(ask) != grown {
		t.Errorf("after %d answers: found %d asked, expected %d", firstWindow, len(ask), grown)
	}
	if more := p.next(2); len(more) != 0 {
		t.Errorf("while as many as may be are under way: found %d asked, expected none", len(more))
	}
	for _, c := range ask {
		p.refused(c)
	}
	if ask = p.next(3); len(ask) != leastWindow {
		t.Errorf("after refusals only: found %d asked, expected %d", len(ask), leastWindow)
	}
}

// Each child is asked until it has answered, never twice at a time, and never after that; whatever gets lost.
func TestPacer_AsksEachUntilItAnswers(t *testing.T) {
	t.Parallel()
	const children = 1000
	p, chance := newPacer(children), rand.New(rand.NewPCG(1, 2))
	done, under := map[int]bool{}, map[int]time.Duration{}
	for now := time.Duration(0); len(done) < children; now += time.Millisecond {
		if now > time.Minute {
			t.Fatalf("%d of %d have answered after a minute", len(done), children)
		}
		for _, c := range p.next(now) {
			if at, ok := under[c]; done[c] || ok && now-at < firstLost {
				t.Fatalf("child %d asked at %v: answered %t, under way since %v", c, now, done[c], at)
			}
			under[c] = now
			switch chance.IntN(3) {
			case 0:
				p.answered(c)
				done[c] = true
				delete(under, c)
			case 1:
				p.refused(c)
				delete(under, c)
			} // else it gets lost
		}
	}
	if ask := p.next(2 * time.Minute); len(ask) != 0 {
		t.Errorf("when all have answered: found %v asked", ask)
	}
}

func TestPacer_ALateAnswerCounts(t *testing.T) {
	t.Parallel()
	p := newPacer(1)
	p.next(0)
	p.next(laterLost) // it is taken as lost, and asked again
	p.refused(0)
	p.answered(0)
	if ask := p.next(time.Second); len(ask) != 0 {
		t.Errorf("found %v asked, expected none", ask)
	}
}
