package register

import (
	"errors"
	"fmt"
)

// Backing is where registers are kept. Both methods return ErrFenced, and change nothing, if a newer
// epoch has been seen; any other error leaves open whether something was done.
type Backing interface {
	// Open returns the value of a register. From then on older epochs are refused.
	Open(register string, epoch uint64) (int64, error)
	Write(register string, epoch uint64, value int64) error
}

// ErrFenced says that the operation came from an epoch that is over. It had no effect.
var ErrFenced = errors.New("the epoch is over")

// Register is what one replica has in memory of the registers of its child. It loads each once in an
// epoch and answers from memory after that, even when a write has been refused: whether that is right
// is for phub to see to. It is used by one goroutine.
type Register struct {
	backing Backing
	cells   map[string]cell
}

type cell struct {
	epoch uint64
	value int64
	// unsure is set when a write may have been stored later or never. Only a newer epoch ends that.
	unsure bool
}

// New returns a replica that knows no value yet.
func New(b Backing) *Register { return &Register{backing: b, cells: map[string]cell{}} }

// Do carries out one request, in the epoch in which the replica was given it. An error that is not
// ErrFenced leaves open whether it had an effect.
func (r *Register) Do(epoch uint64, q Request) (Answer, error) {
	c, err := r.cell(q.Register, epoch)
	if err != nil {
		return Answer{}, err
	}
	switch q.Kind {
	case Read:
		return Answer{Found: c.value}, nil
	case Write:
		return Answer{}, r.write(q, c)
	case CAS:
		if c.value != q.Expect {
			return Answer{Found: c.value}, nil
		}
		return Answer{Found: c.value, Swapped: true}, r.write(q, c)
	}
	return Answer{}, fmt.Errorf("kind %q; known are %q, %q and %q", q.Kind, Read, Write, CAS)
}

// cell returns what is in memory, or loads it if that is of another epoch.
func (r *Register) cell(register string, epoch uint64) (cell, error) {
	c, known := r.cells[register]
	switch {
	case known && c.epoch == epoch && c.unsure:
		return c, fmt.Errorf("register %s: what a write in epoch %d came to is unknown; another epoch must come", register, epoch)
	case known && c.epoch == epoch:
		return c, nil
	}
	value, err := r.backing.Open(register, epoch)
	if err != nil {
		return cell{}, fmt.Errorf("open register %s: %w", register, err)
	}
	c = cell{epoch: epoch, value: value}
	r.cells[register] = c
	return c, nil
}

func (r *Register) write(q Request, c cell) error {
	err := r.backing.Write(q.Register, c.epoch, q.Value)
	switch {
	case err == nil:
		c.value = q.Value
	case !errors.Is(err, ErrFenced):
		c.unsure = true
	}
	r.cells[q.Register] = c
	if err != nil {
		return fmt.Errorf("write register %s: %w", q.Register, err)
	}
	return nil
}
