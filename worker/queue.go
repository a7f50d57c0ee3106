package worker

// queue is requests in order of arrival, in a ring: it takes as much memory as the most that waited since it was
// empty last, however many went through.
type queue struct {
	ring []*Incoming // its length is a power of two, or 0
	head int
	n    int
	size int64 // of the requests, in bytes
}

func (q *queue) len() int { return q.n }

func (q *queue) push(in *Incoming) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = in
	q.n++
	q.size += in.size()
}

func (q *queue) grow() {
	ring := make([]*Incoming, max(4, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}

// pop takes the first one out. The queue must not be empty.
func (q *queue) pop() *Incoming {
	in := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	q.size -= in.size()
	if q.n == 0 && len(q.ring) > 16 {
		*q = queue{} // an idle replica keeps no memory of a busy time
	}
	return in
}

// incomingBytes is what a request takes beside its payload and headers: what NATS's client and phub keep of it.
const incomingBytes = 512

// size is about how much memory a waiting request holds, in bytes.
func (in *Incoming) size() int64 {
	n := incomingBytes + len(in.Child) + len(in.Data)
	for k, vs := range in.Header {
		for _, v := range vs {
			n += len(k) + len(v) + 32
		}
	}
	return int64(n)
}
