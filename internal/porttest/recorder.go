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

func (r *recorder) Control(verb string, data []byte, answer func([]byte, *protocol.Problem)) {
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

// workerFunc is a worker.Handler that serves requests with a function, and releases whatever it is
// asked for.
type workerFunc func(*worker.Incoming)

func (f workerFunc) Request(r *worker.Incoming) { f(r) }

func (f workerFunc) Refused(string, error) {}

func (f workerFunc) Release(r protocol.ReleaseRequest, answer func(protocol.ReleaseAnswer)) {
	a := protocol.ReleaseAnswer{V: 1, Node: "tester"}
	for _, c := range r.Children {
		a.Released = append(a.Released, c.Child)
	}
	answer(a)
}

func echo(node string) func(*worker.Incoming) {
	return func(r *worker.Incoming) {
		if r.Reply != nil {
			_ = r.Reply.Reply(map[string][]string{protocol.HeaderNode: {node}}, r.Data) // the asker will miss it
		}
	}
}
