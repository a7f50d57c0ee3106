package network

import (
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// maxFrame is the largest Ethernet frame that a port gives: 1500 bytes and the header, with room for a tag.
const maxFrame = 1522

// hardware is the address of the i-th host's device, from 0: locally administered.
func hardware(i int) [6]byte { return [6]byte{0x02, 'p', 'h', 'u', 'b', byte(i + 1)} }

// host returns which host a frame is for; false if it is for none, or for all of them.
func host(frame []byte, hosts int) (int, bool) {
	if len(frame) < 14 {
		return 0, false
	}
	i := int(frame[5]) - 1
	return i, i >= 0 && i < hosts && [6]byte(frame[:6]) == hardware(i)
}

// fabric is the switch: each port is a host's device, which gives and takes one frame at a time.
type fabric struct {
	ports []io.ReadWriteCloser
	lanes [][]*lane // by from, to
	work  sync.WaitGroup
	done  chan struct{}
	once  sync.Once
}

// newFabric passes frames on between ports until it is closed. The seed is of what is lost by chance.
func newFabric(seed uint64, ports ...io.ReadWriteCloser) *fabric {
	f := &fabric{ports: ports, done: make(chan struct{})}
	for from := range ports {
		lanes := make([]*lane, len(ports))
		for to := range ports {
			lanes[to] = newLane(ports[to], rand.New(rand.NewPCG(seed, uint64(from<<8|to))))
			f.work.Go(func() { lanes[to].deliver(f.done) })
		}
		f.lanes = append(f.lanes, lanes)
	}
	for from := range ports {
		f.work.Go(func() { f.read(from) })
	}
	return f
}

// read takes frames from a port until that is closed.
func (f *fabric) read(from int) {
	frame := make([]byte, maxFrame)
	for {
		n, err := f.ports[from].Read(frame)
		if err != nil {
			return
		}
		if to, ok := host(frame[:n], len(f.ports)); ok {
			f.lanes[from][to].take(frame[:n])
		}
	}
}

// close closes the ports, and returns when nothing moves any more.
func (f *fabric) close() {
	f.once.Do(func() {
		close(f.done)
		for _, p := range f.ports {
			_ = p.Close() // nothing can be done about it, and nobody reads from it any more
		}
	})
	f.work.Wait()
}

// lane is one direction between two hosts.
type lane struct {
	out    io.Writer
	rule   atomic.Pointer[ruled]
	chance *rand.Rand // of the goroutine that takes
	held   chan heldFrame
	passed atomic.Int64
	lost   atomic.Int64
}

// ruled is a rule, and since when it holds.
type ruled struct {
	Rule
	at time.Time
}

type heldFrame struct {
	data []byte
	due  time.Time
}

// laneBuffer is how many frames may be held back in one direction; what comes beyond that is lost, as in any
// router.
const laneBuffer = 4096

func newLane(out io.Writer, chance *rand.Rand) *lane {
	l := &lane{out: out, chance: chance, held: make(chan heldFrame, laneBuffer)}
	l.set(Rule{}, time.Now())
	return l
}

func (l *lane) set(r Rule, at time.Time) { l.rule.Store(&ruled{r, at}) }

// take passes a frame on, loses it or holds it back.
func (l *lane) take(frame []byte) {
	r := l.rule.Load()
	now := time.Now()
	if !r.passes(now.Sub(r.at), l.chance.Float64()) {
		l.lost.Add(1)
		return
	}
	if r.Delay == 0 {
		l.write(frame)
		return
	}
	select {
	case l.held <- heldFrame{append([]byte(nil), frame...), now.Add(r.Delay)}:
	default:
		l.lost.Add(1)
	}
}

// write gives a frame to a host. One whose device is down does not get it.
func (l *lane) write(frame []byte) {
	if _, err := l.out.Write(frame); err != nil {
		l.lost.Add(1)
		return
	}
	l.passed.Add(1)
}

// deliver writes what was held back when it is due. What is under way when a cut comes still arrives.
func (l *lane) deliver(done <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return
		case h := <-l.held:
			timer.Reset(time.Until(h.due))
			select {
			case <-done:
				return
			case <-timer.C:
				l.write(h.data)
			}
		}
	}
}
