package register_test

import (
	"errors"
	"testing"

	"github.com/phub-io/phub/e2e/register"
)

func do(t *testing.T, r *register.Register, epoch uint64, q register.Request) register.Answer {
	t.Helper()
	q.Register = "r"
	a, err := r.Do(epoch, q)
	if err != nil {
		t.Fatalf("%+v in epoch %d: %v", q, epoch, err)
	}
	return a
}

func write(v int64) register.Request { return register.Request{Kind: register.Write, Value: v} }

func cas(expect, v int64) register.Request {
	return register.Request{Kind: register.CAS, Expect: expect, Value: v}
}

var read = register.Request{Kind: register.Read}

func TestRegister_ReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	var s register.Store
	r := register.New(&s)
	if a := do(t, r, 1, read); a.Found != 0 {
		t.Errorf("found %d in a new register, want 0", a.Found)
	}
	do(t, r, 1, write(5))
	if a := do(t, r, 1, cas(4, 6)); a.Found != 5 || a.Swapped {
		t.Errorf("cas(4 to 6) found %d, swapped %v; want 5, not swapped", a.Found, a.Swapped)
	}
	if a := do(t, r, 1, cas(5, 7)); a.Found != 5 || !a.Swapped {
		t.Errorf("cas(5 to 7) found %d, swapped %v; want 5, swapped", a.Found, a.Swapped)
	}
	if v, err := s.Open("r", 1); v != 7 || err != nil {
		t.Errorf("the store has %d, %v; want 7", v, err)
	}
	if _, err := r.Do(1, register.Request{Register: "r", Kind: "swap"}); err == nil {
		t.Error("an unknown kind was carried out")
	}
}

// The register of a replica that has been replaced must be wrong: that is how one is found out.
func TestRegister_OfAnOldEpochAnswersFromMemoryButCantWrite(t *testing.T) {
	t.Parallel()
	var s register.Store
	older, newer := register.New(&s), register.New(&s)
	do(t, older, 1, write(1))
	do(t, newer, 2, write(2))
	for _, q := range []register.Request{write(3), cas(1, 4)} {
		q.Register = "r"
		if _, err := older.Do(1, q); !errors.Is(err, register.ErrFenced) {
			t.Errorf("%s in an old epoch: %v; want that it is refused", q.Kind, err)
		}
	}
	if a := do(t, older, 1, read); a.Found != 1 {
		t.Errorf("the old replica answers %d; want the 1 that it remembers", a.Found)
	}
	if a := do(t, older, 3, read); a.Found != 2 {
		t.Errorf("in a new epoch it answers %d; want the 2 of the store", a.Found)
	}
	if _, err := newer.Do(2, register.Request{Register: "r", Kind: register.Write, Value: 5}); !errors.Is(err, register.ErrFenced) {
		t.Errorf("a write in epoch 2 after a read in epoch 3: %v; want that it is refused", err)
	}
	if n := s.Fenced(); n != 3 {
		t.Errorf("the store refused %d operations, want 3", n)
	}
}

func TestStore_UnguardedStoresLateWrites(t *testing.T) {
	t.Parallel()
	s := register.Store{Unguarded: true}
	if err := s.Write("r", 2, 7); err != nil {
		t.Fatal(err)
	}
	if err := s.Write("r", 1, 6); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Open("r", 2); v != 6 || err != nil {
		t.Errorf("the store has %d, %v; want the 6 that was written late", v, err)
	}
}

// unreachable fails every write, of which it may have stored any.
type unreachable struct{ register.Store }

var errUnreachable = errors.New("unreachable")

func (u *unreachable) Write(string, uint64, int64) error { return errUnreachable }

func TestRegister_UnsureOfAWriteWaitsForAnotherEpoch(t *testing.T) {
	t.Parallel()
	r := register.New(&unreachable{})
	for _, q := range []register.Request{write(1), read} {
		q.Register = "r"
		if _, err := r.Do(1, q); err == nil || errors.Is(err, register.ErrFenced) {
			t.Errorf("%s: %v; want that its outcome is unknown", q.Kind, err)
		}
	}
	if a := do(t, r, 2, read); a.Found != 0 {
		t.Errorf("found %d in the next epoch, want the 0 of the store", a.Found)
	}
}
