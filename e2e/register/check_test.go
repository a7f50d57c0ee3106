package register_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/register"
)

const limit = 10 * time.Second

// at says when an operation was called and when it returned.
func at(call, ret int64, o register.Op) register.Op {
	o.Register, o.Call, o.Return = "r", call, ret
	return o
}

func reads(v int64) register.Op {
	return register.Op{Kind: register.Read, Found: v, Outcome: register.OK}
}

func writes(v int64) register.Op {
	return register.Op{Kind: register.Write, Value: v, Outcome: register.OK}
}

func swaps(expect, v int64) register.Op {
	return register.Op{Kind: register.CAS, Expect: expect, Value: v, Found: expect, Swapped: true, Outcome: register.OK}
}

func finds(found, expect, v int64) register.Op {
	return register.Op{Kind: register.CAS, Expect: expect, Value: v, Found: found, Outcome: register.OK}
}

func unknown(o register.Op) register.Op {
	o.Outcome, o.Found, o.Swapped = register.Unknown, 0, false
	return o
}

func refused(o register.Op) register.Op {
	o.Outcome, o.Found, o.Swapped = register.None, 0, false
	return o
}

func TestCheck_Histories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ops []register.Op
		bad bool
	}{
		"nothing": {},
		"one after the other": {ops: []register.Op{
			at(1, 2, reads(0)), at(3, 4, writes(1)), at(5, 6, reads(1)), at(7, 8, swaps(1, 2)), at(9, 10, finds(2, 1, 3)), at(11, 12, reads(2)),
		}},
		"a read beside a write sees either": {ops: []register.Op{at(1, 9, writes(1)), at(2, 3, reads(0)), at(4, 5, reads(1))}},
		"a read beside a write goes back":   {bad: true, ops: []register.Op{at(1, 9, writes(1)), at(2, 3, reads(1)), at(4, 5, reads(0))}},
		"a stale read":                      {bad: true, ops: []register.Op{at(1, 2, writes(1)), at(3, 4, writes(2)), at(5, 6, reads(1))}},
		"a stale read that began in time":   {ops: []register.Op{at(1, 2, writes(1)), at(3, 6, reads(1)), at(4, 5, writes(2))}},
		"two swaps from one value":          {bad: true, ops: []register.Op{at(1, 5, swaps(0, 1)), at(1, 5, swaps(0, 2))}},
		"a swap that should have been":      {bad: true, ops: []register.Op{at(1, 2, writes(1)), at(3, 4, finds(1, 1, 2))}},
		"a value from nowhere":              {bad: true, ops: []register.Op{at(1, 2, reads(9))}},
		"a refused write is seen":           {bad: true, ops: []register.Op{at(1, 2, refused(writes(1))), at(3, 4, reads(1))}},
		"an unknown write is seen late":     {ops: []register.Op{at(1, 2, unknown(writes(1))), at(3, 4, writes(2)), at(5, 6, reads(2)), at(7, 8, reads(1))}},
		"an unknown write comes and goes":   {bad: true, ops: []register.Op{at(1, 2, unknown(writes(1))), at(3, 4, writes(2)), at(5, 6, reads(1)), at(7, 8, reads(2))}},
		"an unknown write is seen too soon": {bad: true, ops: []register.Op{at(1, 2, reads(1)), at(3, 4, unknown(writes(1)))}},
		"an unknown read says nothing":      {ops: []register.Op{at(1, 2, writes(1)), at(3, 4, unknown(reads(7)))}},
		"a late swap of a lost replica":     {bad: true, ops: []register.Op{at(1, 2, writes(1)), at(3, 4, unknown(swaps(1, 2))), at(5, 6, writes(3)), at(7, 8, reads(3)), at(9, 10, reads(2))}},
		"an unknown swap of unknown":        {ops: []register.Op{at(1, 2, unknown(writes(1))), at(1, 2, unknown(swaps(1, 2))), at(5, 6, reads(2))}},
		"the same in no possible order":     {bad: true, ops: []register.Op{at(1, 2, unknown(writes(1))), at(1, 2, unknown(swaps(1, 2))), at(5, 6, reads(2)), at(7, 8, reads(1))}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := register.Check(number(c.ops), limit)
			if err != nil {
				t.Fatal(err)
			}
			if (v != nil) != c.bad {
				t.Errorf("violation %v, want one: %v", v, c.bad)
			}
		})
	}
}

// number gives operations their place in the order of the calls, as a Recorder does.
func number(ops []register.Op) []register.Op {
	var r register.Recorder
	for i, o := range ops {
		o.Client = i
		r.Begin(o)(o)
	}
	return r.Ops()
}

// A history may be looked at while operations are under way: what they did may have been seen already.
func TestRecorder_AnOperationThatIsUnderWayMayHaveHadItsEffect(t *testing.T) {
	t.Parallel()
	var r register.Recorder
	w := at(1, 4, writes(1))
	end := r.Begin(w)
	seen := at(2, 3, reads(1))
	seen.Client = 1
	r.Begin(seen)(seen)
	for _, c := range []struct {
		when string
		want register.Count
	}{
		{"under way", register.Count{OK: 1, Unknown: 1}},
		{"over", register.Count{OK: 2}},
	} {
		ops := r.Ops()
		if v, err := register.Check(ops, limit); v != nil || err != nil {
			t.Errorf("while the write is %s: violation %v, %v", c.when, v, err)
		}
		if n := register.CountOf(ops); n != c.want {
			t.Errorf("while the write is %s: counted %+v, want %+v", c.when, n, c.want)
		}
		end(w)
	}
}

func TestCheck_NamesTheFirstAnswerThatCantBe(t *testing.T) {
	t.Parallel()
	ops := []register.Op{at(1, 2, writes(1)), at(3, 4, writes(2)), at(5, 6, reads(1)), at(7, 8, writes(3)), at(9, 10, reads(9))}
	for i := range ops {
		ops[i].Node, ops[i].Epoch = "node1", 4
	}
	fine := at(1, 2, writes(10))
	fine.Register = "fine"
	v, err := register.Check(append(number(ops), fine), limit)
	if err != nil || v == nil {
		t.Fatalf("no violation, %v", err)
	}
	if v.Register != "r" || len(v.Ops) != 3 || v.Last.Call != 5 {
		t.Errorf("%v, over %v; want that the third operation is named", v, v.Ops)
	}
	if want := "r is not linearizable: after 2 operations no order of them explains read(): 1 by node1 in epoch 4"; v.String() != want {
		t.Errorf("%q, want %q", v, want)
	}
	saved(t, v)
}

func saved(t *testing.T, v *register.Violation) {
	t.Helper()
	files, err := v.Save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(data), "node1") {
			t.Errorf("%s says nothing of node1, %v: %.200s", filepath.Base(f), err, data)
		}
	}
}

func TestCheck_RefusesWhatItCantJudge(t *testing.T) {
	t.Parallel()
	for _, ops := range [][]register.Op{
		{at(1, 2, writes(1)), at(3, 4, swaps(1, 1))},
		{at(1, 2, writes(0))},
	} {
		if v, err := register.Check(ops, limit); err == nil {
			t.Errorf("%v: violation %v and no error; want an error, as a value is not unique", ops, v)
		}
	}
}

// Hundreds of writes whose outcome is unknown are what faults leave behind.
func TestCheck_ManyUnknownOutcomes(t *testing.T) {
	t.Parallel()
	var ops []register.Op
	for i := range int64(500) {
		ops = append(ops, at(10*i, 10*i+9, unknown(writes(i+1))))
	}
	ops = append(ops, at(6000, 6001, reads(7)), at(6002, 6003, writes(1000)), at(6004, 6005, reads(400)), at(6006, 6007, reads(1000)))
	v, err := register.Check(number(ops), limit)
	if err != nil || v == nil || v.Last.Call != 6006 {
		t.Errorf("violation %v, %v; want that the last read is named", v, err)
	}
}

// Check agrees with one that tries every order, and every choice of what took effect.
func TestCheck_AgreesWithATwinThatTriesAll(t *testing.T) {
	t.Parallel()
	bad := 0
	for seed := range uint64(20_000) {
		ops := number(randomOps(rand.New(rand.NewPCG(seed, 1))))
		v, err := register.Check(ops, limit)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if v != nil {
			bad++
		}
		if want := explains(ops, 0, 0); want != (v == nil) {
			t.Fatalf("seed %d: violation %v; trying all finds an order: %v\n%v", seed, v, want, ops)
		}
	}
	if bad < 2000 || bad > 18_000 {
		t.Errorf("%d of 20000 random histories are violations: they are too much alike to say anything", bad)
	}
}

// randomOps has a register with faults do as it likes, in up to 7 operations.
func randomOps(r *rand.Rand) []register.Op {
	var ops []register.Op
	for i := range int64(2 + r.IntN(6)) {
		some := func() int64 { return r.Int64N(i + 1) }
		call := r.Int64N(20)
		o := [...]register.Op{reads(some()), writes(i + 1), swaps(some(), i+1), finds(some(), some(), i+1)}[r.IntN(4)]
		switch r.IntN(5) {
		case 0:
			o = refused(o)
		case 1, 2:
			o = unknown(o)
		}
		ops = append(ops, at(call, call+1+r.Int64N(8), o))
	}
	return ops
}

// explains tries everything. done has a bit for each operation that is in its place.
func explains(ops []register.Op, done int, value int64) bool {
	complete := true
	for i, o := range ops {
		if done&(1<<i) != 0 || o.Outcome == register.None {
			continue
		}
		if o.Outcome == register.OK {
			complete = false
		}
		if !next(ops, done, o) {
			continue
		}
		for _, v := range after(o, value) {
			if explains(ops, done|1<<i, v) {
				return true
			}
		}
	}
	return complete
}

// next reports whether no operation that is still to come had returned before o was called.
func next(ops []register.Op, done int, o register.Op) bool {
	for i, p := range ops {
		if done&(1<<i) == 0 && p.Outcome == register.OK && p.Return < o.Call {
			return false
		}
	}
	return true
}

// after returns the values that the register may have after o; none if o can't be here.
func after(o register.Op, value int64) []int64 {
	switch {
	case o.Kind == register.Write:
		return []int64{o.Value}
	case o.Outcome == register.Unknown && o.Kind == register.CAS && value == o.Expect:
		return []int64{o.Value}
	case o.Outcome == register.Unknown:
		return []int64{value}
	case o.Found != value:
		return nil
	case o.Kind == register.Read:
		return []int64{value}
	case o.Swapped != (value == o.Expect):
		return nil
	case o.Swapped:
		return []int64{o.Value}
	}
	return []int64{value}
}

func TestTakeovers_CountEpochsOfAChild(t *testing.T) {
	t.Parallel()
	var ops []register.Op
	for _, o := range []struct {
		register string
		epoch    uint64
		outcome  register.Outcome
	}{{"a/1", 3, register.OK}, {"a/2", 3, register.OK}, {"a/2", 5, register.OK}, {"a/1", 7, register.Unknown}, {"b/1", 4, register.OK}, {"b/1", 9, register.OK}, {"c/1", 2, register.None}} {
		ops = append(ops, register.Op{Register: o.register, Epoch: o.epoch, Outcome: o.outcome})
	}
	if n := register.Takeovers(ops); n != 2 {
		t.Errorf("%d takeovers, want one of a and one of b", n)
	}
	if c := register.CountOf(ops); c != (register.Count{OK: 5, None: 1, Unknown: 1}) {
		t.Errorf("counted %+v", c)
	}
}
