package porttest

import (
	"slices"
	"sync"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// recorder is a coordinator.Handler that remembers what it was told.
type recorder struct {
	mu          sync.Mutex
	records     map[protocol.Bucket][]view.Record
	noInterest  []string
	wakes       int
	reported    []protocol.Conn
	undecodable []string
	beatFunc    func(protocol.Beat, func(protocol.BeatAnswer))
	controlFunc func(string, []byte, func([]byte, *protocol.Problem))
}

func newRecorder() *recorder { return &recorder{records: map[protocol.Bucket][]view.Record{}} }

func (r *recorder) Record(rec view.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records[rec.Bucket] = append(r.records[rec.Bucket], rec)
}

func (r *recorder) Beat(b protocol.Beat, answer func(protocol.BeatAnswer)) { r.beatFunc(b, answer) }

func (r *recorder) Control(verb, _ string, data []byte, answer func([]byte, *protocol.Problem)) {
	r.controlFunc(verb, data, answer)
}

func (*recorder) Missed(protocol.Bucket) {}

func (r *recorder) Woken() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakes++
}

func (r *recorder) woken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wakes
}

func (r *recorder) ConnReported(c protocol.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reported = append(r.reported, c)
}

func (r *recorder) heardClosed() []protocol.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reported)
}

func (r *recorder) NoInterest(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noInterest = append(r.noInterest, node)
}

func (r *recorder) Undecodable(subject string, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.undecodable = append(r.undecodable, subject)
}

func (r *recorder) of(b protocol.Bucket) []view.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records[b])
}

func (r *recorder) heardNoInterest(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.noInterest, node)
}

func (r *recorder) junk() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.undecodable)
}

// running is a worker.Handler that serves requests with a function, and releases whatever it is asked for.
type running struct {
	node  string
	serve func(*worker.Incoming)
}

func (r running) Request(in *worker.Incoming) { r.serve(in) }

func (r running) Refused(string, error) {}

func (r running) Release(q protocol.ReleaseRequest, answer func(protocol.ReleaseAnswer)) {
	a := protocol.ReleaseAnswer{V: 1, Node: r.node, ID: incarnation(r.node).ID, To: q.ID, Number: q.Number}
	for _, c := range q.Children {
		a.Released = append(a.Released, c.Child)
	}
	answer(a)
}

// releases remembers the numbers of the requests for release.
type releases struct {
	running
	mu      sync.Mutex
	numbers []uint64
}

func (r *releases) Release(q protocol.ReleaseRequest, answer func(protocol.ReleaseAnswer)) {
	r.mu.Lock()
	r.numbers = append(r.numbers, q.Number)
	r.mu.Unlock()
	r.running.Release(q, answer)
}

func echo(node string) func(*worker.Incoming) {
	return func(r *worker.Incoming) {
		if r.Reply != nil {
			_ = r.Reply.Reply(map[string][]string{protocol.HeaderNode: {node}}, r.Data) // the asker will miss it
		}
	}
}
