package jetstream

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

const (
	fewMessages  = 64                     // up to here, reading one by one is as fast as a consumer
	pullBatch    = 1000                   // messages in one pull
	pullPatience = 500 * time.Millisecond // a pull that the consumer doesn't answer is sent again
	onwardSingly = 3                      // records after the end as it was that are read one by one, at a time
	maxIdle      = 4                      // pulls in a row that brought nothing; then the leader is asked
)

// Since returns what the bucket holds after a revision, in order of revision, and the last revision of
// its stream at the moment of reading. Where revisions are left out, it reads on to the end as it is then: what took the place
// of a record is among those returned. Many messages are read through a consumer, whose server may be
// behind; so the end is always read from the leader. If less than after is returned as the last
// revision, the bucket is not the one that it was.
func (s *Session) Since(ctx context.Context, b protocol.Bucket, after uint64) ([]view.Record, uint64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	first := make(chan found, 1)
	go func() { first <- s.soonNext(ctx, b, after+1) }() // most often that is all that there is
	info, err := s.soonInfo(ctx, b)
	if err != nil {
		return nil, 0, s.bucketError("read", b, err)
	}
	last := info.State.LastSeq
	if last <= after || info.State.Msgs == 0 {
		return nil, last, nil
	}
	var recs []view.Record
	switch n := min(last-after, info.State.Msgs); {
	case n > fewMessages:
		recs, err = s.bulk(ctx, b, after+1, last)
	default:
		recs, err = s.few(ctx, b, <-first, last)
	}
	if err != nil {
		return nil, 0, s.bucketError("read", b, err)
	}
	recs, err = s.tail(ctx, b, recs, after, last)
	if last = max(last, endOf(recs)); err == nil && uint64(len(recs)) < last-after {
		recs, last, err = s.onward(ctx, b, recs, after, last)
	}
	if err != nil {
		return nil, 0, s.bucketError("read", b, err)
	}
	return recs, last, nil
}

// endOf returns the revision of the last of some records; 0 if there are none.
func endOf(recs []view.Record) uint64 {
	if len(recs) == 0 {
		return 0
	}
	return recs[len(recs)-1].Revision
}

// onward appends what the stream holds after a revision, to its end. A record that was overwritten while others were read
// is not among those, nor is what took its place, if that is after the end as it was: who reads no further knows
// nothing of that key.
//
// Where more is stored all the time, asking for one record after the other may never come to the end: a hundred nodes that renewed
// their records all went on asking, and had no time for anything else. So of the nodes bucket it then tries to read the last record of
// each key in one go.
func (s *Session) onward(ctx context.Context, b protocol.Bucket, recs []view.Record, after, last uint64) ([]view.Record, uint64, error) {
	for n := 1; ; n++ {
		f := s.soonNext(ctx, b, last+1)
		if f.err != nil || !f.ok {
			return recs, last, f.err
		}
		recs, last = append(recs, f.record), f.record.Revision
		if n%onwardSingly > 0 || b != protocol.NodesBucket {
			continue
		}
		if all, err := s.lastOfEach(ctx, b, last); err != nil || all != nil {
			return slices.DeleteFunc(all, func(r view.Record) bool { return r.Revision <= after }), last, err
		}
	}
}

// lastOfEach returns the last record of each key, in order of revision: as it was when the consumer was made, or newer. So of no key
// is anything missing up to a revision that was there before. It returns nil if some records were overwritten before they were
// read, or if the consumer's server has not stored that revision yet.
func (s *Session) lastOfEach(ctx context.Context, b protocol.Bucket, last uint64) ([]view.Record, error) {
	p, err := s.puller(ctx, b, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy})
	if err != nil {
		return nil, err
	}
	defer p.close()
	keys, all := map[string]bool{}, int(p.pending)
	for len(keys) < all && p.pending > 0 && p.idle == 0 {
		read := len(p.recs)
		if err := p.pull(ctx); err != nil {
			return nil, err
		}
		for _, r := range p.recs[read:] {
			keys[r.Key] = true
		}
	}
	if len(keys) < all || endOf(p.recs) < last {
		return nil, nil
	}
	return p.recs, nil
}

// stepWait is for how long one request waits, or a quarter of what is left for all of them, if that is more: who asked in vain
// has more patience the next time. A stream without a leader answers none; who waited for as
// long as a large bucket may take would go on waiting when there is one again.
const stepWait = time.Second

// step bounds one request of several.
func step(ctx context.Context) (context.Context, context.CancelFunc) {
	wait := stepWait
	if end, ok := ctx.Deadline(); ok {
		wait = max(wait, time.Until(end)/4)
	}
	return context.WithTimeout(ctx, wait)
}

func (s *Session) soonInfo(ctx context.Context, b protocol.Bucket) (*jetstream.StreamInfo, error) {
	ctx, cancel := step(ctx)
	defer cancel()
	return s.streamInfo(ctx, b)
}

// found is the answer to one request for a record.
type found struct {
	record view.Record
	ok     bool
	err    error
}

func (s *Session) soonNext(ctx context.Context, b protocol.Bucket, seq uint64) found {
	ctx, cancel := step(ctx)
	defer cancel()
	var f found
	f.record, f.ok, f.err = s.next(ctx, b, seq)
	return f
}

// few returns a first record, and those that follow it closely, up to a revision: all are asked for at once.
func (s *Session) few(ctx context.Context, b protocol.Bucket, first found, last uint64) ([]view.Record, error) {
	if first.err != nil || !first.ok {
		return nil, first.err
	}
	recs := []view.Record{first.record}
	from := first.record.Revision + 1
	if from > last || last-from >= fewMessages {
		return recs, nil
	}
	ctx, cancel := step(ctx)
	defer cancel()
	more := make([]found, last-from+1)
	var wg sync.WaitGroup
	for i := range more {
		wg.Go(func() {
			f := &more[i]
			f.record, f.ok, f.err = s.get(ctx, b, getRequest{Seq: from + uint64(i)})
		})
	}
	wg.Wait()
	for _, f := range more {
		if f.err != nil {
			return nil, f.err
		}
		if f.ok {
			recs = append(recs, f.record)
		}
	}
	return recs, nil
}

// tail appends to recs what the leader has after them, up to a revision.
func (s *Session) tail(ctx context.Context, b protocol.Bucket, recs []view.Record, after, last uint64) ([]view.Record, error) {
	if n := len(recs); n > 0 {
		after = recs[n-1].Revision
	}
	for after < last {
		f := s.soonNext(ctx, b, after+1)
		if f.err != nil {
			return nil, f.err
		}
		if !f.ok {
			break
		}
		recs = append(recs, f.record)
		after = f.record.Revision
	}
	return recs, nil
}

// bulk reads through a consumer of its own, from a sequence until the last one or until nothing is
// pending.
func (s *Session) bulk(ctx context.Context, b protocol.Bucket, from, last uint64) ([]view.Record, error) {
	p, err := s.puller(ctx, b, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from})
	if err != nil {
		return nil, err
	}
	defer p.close()
	for p.last = last; p.pending > 0 && p.idle < maxIdle; {
		if err := p.pull(ctx); err != nil {
			return nil, err
		}
	}
	return p.recs, nil
}

// puller makes a consumer that delivers what a configuration says. Close it.
func (s *Session) puller(ctx context.Context, b protocol.Bucket, config jetstream.ConsumerConfig) (*puller, error) {
	msgs := make(chan *nats.Msg, 2*pullBatch)
	inbox := s.inboxes.open(msgs)
	config.Name = s.inboxes.consumer(inbox)
	info, err := s.createConsumer(ctx, b, config)
	if err != nil {
		s.inboxes.close(inbox)
		return nil, err
	}
	return &puller{
		s: s, bucket: b, last: math.MaxUint64, inbox: inbox, msgs: msgs, name: config.Name, pending: info.NumPending,
		next: s.api() + "CONSUMER.MSG.NEXT." + s.stream(b) + "." + config.Name, recs: make([]view.Record, 0, info.NumPending),
	}, nil
}

// close takes the consumer away, which also ends by itself.
func (p *puller) close() {
	_ = p.s.nc.Publish(p.s.api()+"CONSUMER.DELETE."+p.s.stream(p.bucket)+"."+p.name, nil)
	p.s.inboxes.close(p.inbox)
}

func (s *Session) createConsumer(ctx context.Context, b protocol.Bucket, config jetstream.ConsumerConfig) (*jetstream.ConsumerInfo, error) {
	config.AckPolicy, config.MemoryStorage, config.Replicas = jetstream.AckNonePolicy, true, 1
	config.InactiveThreshold, config.FilterSubject = 5*time.Second, s.subjectPrefix(b)+">"
	req := struct {
		Stream string                   `json:"stream_name"`
		Config jetstream.ConsumerConfig `json:"config"`
	}{s.stream(b), config}
	var info jetstream.ConsumerInfo
	subject := "CONSUMER.CREATE." + s.stream(b) + "." + config.Name + "." + s.subjectPrefix(b) + ">"
	if err := s.call(ctx, subject, req, &info); err != nil {
		return nil, err
	}
	return &info, nil
}

type puller struct {
	s       *Session
	bucket  protocol.Bucket
	name    string // of the consumer
	last    uint64 // read no further than this
	inbox   string
	next    string
	msgs    chan *nats.Msg
	pending uint64 // still to be read
	count   uint64 // of messages delivered
	idle    int    // pulls in a row that ended before their batch was full
	recs    []view.Record
}

// pull asks for one batch and reads it. No message is acknowledged or sent twice: a hole in the
// consumer's own count means that one was lost on its way, and ends the reading.
func (p *puller) pull(ctx context.Context) error {
	n := min(p.pending, pullBatch)
	req := fmt.Sprintf(`{"batch":%d,"expires":%d}`, n, pullPatience)
	if err := p.s.nc.PublishRequest(p.next, p.inbox, []byte(req)); err != nil {
		return err
	}
	for range n {
		m, err := p.receive(ctx)
		if err != nil || m == nil {
			p.idle++
			return err
		}
		p.idle = 0
		if err := p.add(m); err != nil {
			return err
		}
		if p.pending == 0 {
			return nil
		}
	}
	return nil
}

// receive returns nil if the consumer has nothing more for this pull, or never got it: it may have been
// started just now, on another server.
func (p *puller) receive(ctx context.Context) (*nats.Msg, error) {
	t := time.NewTimer(2 * pullPatience)
	defer t.Stop()
	select {
	case m := <-p.msgs:
		return p.status(ctx, m)
	case <-t.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.s.done:
		return nil, nats.ErrConnectionClosed
	}
}

// status tells the server's own word on a pull, which comes to the inbox, from what the consumer delivers, which bears
// the subject and the headers that somebody stored it with.
func (p *puller) status(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	switch code := m.Header.Get(headerStatus); {
	case m.Subject != p.inbox:
		return m, nil
	case code == "404" || code == "408":
		return nil, nil
	case code == noResponders:
		return nil, pause(ctx, retryPause)
	default:
		return nil, fmt.Errorf("pull from %s: %s %s", p.bucket, code, m.Header.Get("Description"))
	}
}

func (p *puller) add(m *nats.Msg) error {
	md, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("pull from %s: %w", p.bucket, err)
	}
	if p.count++; md.Sequence.Consumer != p.count {
		return fmt.Errorf("pull from %s: message %d of the consumer is missing", p.bucket, p.count)
	}
	key, _ := strings.CutPrefix(m.Subject, p.s.subjectPrefix(p.bucket))
	p.recs = append(p.recs, record(p.bucket, key, md.Sequence.Stream, m.Header, m.Data))
	if p.pending = md.NumPending; md.Sequence.Stream >= p.last {
		p.pending = 0
	}
	return nil
}
