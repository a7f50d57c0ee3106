package coordinator

import (
	"strconv"
	"testing"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/protocol"
)

func TestInbox_TakesNothingOnceClosed(t *testing.T) {
	t.Parallel()
	b := newInbox(func(protocol.Reason) {})
	b.put(input{event: view.Tick{}})
	b.put(input{event: view.Leave{}})
	if got := b.take(); len(got) != 2 || got[1].event != (view.Leave{}) {
		t.Errorf("found %v", got)
	}
	b.put(input{event: view.Tick{}})
	b.close()
	b.put(input{event: view.Tick{}})
	b.miss(protocol.NodesBucket)
	if got := b.take(); len(got) != 0 {
		t.Errorf("found %v after close", got)
	}
}

// A flood of each sort is bounded, what is dropped of it is counted, and it takes no room of the others.
func TestInbox_BoundsEachSort(t *testing.T) {
	t.Parallel()
	const flood = 200_000
	big := make([]byte, 1<<20)
	for _, c := range []struct {
		name string
		make func(i int) view.Event
		want int // that wait afterwards
		one  bool
	}{
		{"own results", func(int) view.Event { return view.Pinged{} }, flood, false},
		{"wakes", func(int) view.Event { return view.Woken{} }, 1, true},
		{"the same node is missed", func(int) view.Event { return view.NobodyThere{Node: "n"} }, 1, true},
		{"many nodes are missed", func(i int) view.Event { return view.NobodyThere{Node: strconv.Itoa(i)} }, 1024, false},
		{"closed connections", func(i int) view.Event { return view.ConnReported{Conn: protocol.Conn{Client: uint64(i)}} }, 1024, false},
		{"small records", func(i int) view.Event {
			return view.RecordStored{Record: view.Record{Bucket: protocol.NodesBucket, Revision: uint64(i)}}
		}, 50_000, false},
		{"large records", func(int) view.Event {
			return view.RecordStored{Record: view.Record{Bucket: protocol.NodesBucket, Value: big}}
		}, 31, false},
		{"heartbeats of one node", func(int) view.Event { return view.BeatReceived{Beat: beatOf("n")} }, 8, false},
		{"heartbeats of many", func(i int) view.Event { return view.BeatReceived{Beat: beatOf(strconv.Itoa(i))} }, 4096, false},
		{"control requests", func(int) view.Event { return view.ControlReceived{Verb: "start"} }, 1024, false},
		{"large ones", func(int) view.Event { return view.ControlReceived{Verb: "start", Data: big} }, 31, false},
	} {
		var count refused.Counter
		b := newInbox(count.Count)
		dropped := 0
		for i := range flood {
			if !b.put(input{event: c.make(i)}) {
				dropped++
			}
		}
		n := count.Counts()[protocol.ReasonInbox]
		if !c.one && dropped != flood-c.want || n != uint64(dropped) {
			t.Errorf("%s: %d were dropped and %d counted, expected %d", c.name, dropped, n, flood-c.want)
		}
		for _, e := range []view.Event{view.Pinged{}, view.Tick{}} {
			if !b.put(input{event: e}) {
				t.Errorf("%s: no room for %v", c.name, e)
			}
		}
		got := 0
		for _, e := range b.take() {
			if s, _ := sortOf(e.event); s != own || c.name == "own results" {
				got++
			}
		}
		if c.name == "own results" {
			got -= 2
		}
		if got != c.want {
			t.Errorf("%s: %d wait, expected %d", c.name, got, c.want)
		}
		if !b.put(input{event: c.make(0)}) {
			t.Errorf("%s: no room when all is taken", c.name)
		}
	}
}

func beatOf(node string) protocol.Beat {
	return protocol.Beat{Incarnation: protocol.Incarnation{Node: node}}
}

func TestInbox_SaysWhichRecordsWereMissed(t *testing.T) {
	t.Parallel()
	b := newInbox(func(protocol.Reason) {})
	for i := range 60_000 {
		b.put(input{event: view.RecordStored{Record: view.Record{Bucket: protocol.ChildrenBucket, Revision: uint64(i)}}})
	}
	b.miss(protocol.NodesBucket)
	got := b.take()
	want := []view.Event{view.RecordsMissed{Bucket: protocol.NodesBucket}, view.RecordsMissed{Bucket: protocol.ChildrenBucket}}
	if n := len(got); n != 50_002 || got[n-2].event != want[0] || got[n-1].event != want[1] {
		t.Errorf("found %d events, expected 50,000 records and %v", n, want)
	}
	if again := b.take(); len(again) != 0 {
		t.Errorf("found %v", again)
	}
}

func TestInbox_ControlThatFindsNoRoomIsAnswered(t *testing.T) {
	t.Parallel()
	l := newTestLoop(&slow{})
	codes := map[int]int{}
	for range 1100 {
		(*handler)(l).Control("start", "", nil, func(_ []byte, p *protocol.Problem) { codes[p.Code]++ })
	}
	if codes[protocol.CodeBusy] != 1100-1024 || len(codes) != 1 {
		t.Errorf("codes of answers: %v", codes)
	}
}

func TestBeatBytes_CountsItsTexts(t *testing.T) {
	t.Parallel()
	b := beatOf("n")
	b.Labels = map[string]string{"k": string(make([]byte, 1000))}
	b.Report.Waiting = []string{string(make([]byte, 2000))}
	b.Report.Failed = []protocol.Failed{{Error: string(make([]byte, 4000))}}
	if n := beatBytes(&b); n < 7000 || n > 7500 {
		t.Errorf("found %d bytes, expected a little more than 7,000", n)
	}
}
