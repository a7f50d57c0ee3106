package adversary

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
)

// numbers are those at which programs err.
var numbers = []json.Number{
	"0", "1", "-1", "0.5", "1e3", "2147483648", "9007199254740992", "9007199254740993",
	"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e400", "-1e-400",
}

// texts are strings at which programs err.
var texts = []string{
	"", "_view", "_config", "a..b", ".", "orders.>", "*", ">", "../../etc/passwd", "up", "lost", "left", "draining",
	"\x00", "\x1b[2J\x1b[H", "\r\n+OK\r\n", "\u202egnp.exe", "\xff\xfe", "null", "-1s", "5m", "1ns", "2562047h",
	"2026-11-22T17:08:08.277Z", "00000000-0000-0000-0000-000000000000",
}

// mutator changes JSON and bytes by chance.
type mutator struct {
	rnd    *rand.Rand
	corpus *Corpus
	most   int // bytes of what it makes
}

// mutate returns a changed copy of data.
func (m mutator) mutate(data []byte) []byte {
	v, err := decode(data)
	if err != nil || m.rnd.IntN(8) == 0 {
		return m.bytes(data)
	}
	for range 1 + m.rnd.IntN(3) {
		v = m.value("", v)
	}
	out, err := json.Marshal(v)
	switch {
	case err != nil:
		return m.bytes(data)
	case m.rnd.IntN(12) == 0:
		return m.twice(out)
	}
	return out
}

// value changes v or something in it.
func (m mutator) value(field string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if keys := sorted(v); len(keys) > 0 && m.rnd.IntN(6) > 0 {
			return m.member(v, keys[m.rnd.IntN(len(keys))])
		}
	case []any:
		if len(v) > 0 && m.rnd.IntN(4) > 0 {
			return m.element(field, v)
		}
	}
	return m.other(field, v)
}

// member changes, removes or renames one member of an object.
func (m mutator) member(v map[string]any, k string) any {
	switch m.rnd.IntN(12) {
	case 0:
		delete(v, k)
	case 1:
		v[strings.ToUpper(k)] = v[k]
		delete(v, k)
	case 2:
		v[k+"_"] = m.other(k, v[k])
	default:
		v[k] = m.value(k, v[k])
	}
	return v
}

// element changes, removes or repeats one element of an array, or its order.
func (m mutator) element(field string, v []any) any {
	i := m.rnd.IntN(len(v))
	switch m.rnd.IntN(8) {
	case 0:
		return slices.Delete(v, i, i+1)
	case 1:
		return append(v, v[i])
	case 2:
		m.rnd.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
		return v
	case 3:
		return m.many(v[i])
	}
	v[i] = m.value(field, v[i])
	return v
}

// many returns an array of one element again and again, of at most the size that may be.
func (m mutator) many(e any) any {
	one, err := json.Marshal(e)
	if err != nil {
		return e
	}
	n := min(m.most/(len(one)+1), 1+m.rnd.IntN(20000))
	return slices.Repeat([]any{e}, n)
}

// other returns a value to stand in the place of another.
func (m mutator) other(field string, v any) any {
	if n, ok := v.(json.Number); ok && m.rnd.IntN(2) == 0 {
		return m.near(n)
	}
	switch m.rnd.IntN(10) {
	case 0:
		return nil
	case 1:
		return m.rnd.IntN(2) == 0
	case 2, 3:
		return numbers[m.rnd.IntN(len(numbers))]
	case 4:
		return texts[m.rnd.IntN(len(texts))]
	case 5:
		return strings.Repeat(texts[m.rnd.IntN(len(texts))]+"x", 1+m.rnd.IntN(200))
	case 6:
		return []any{v}
	case 7:
		return map[string]any{field: v}
	}
	if known := m.corpus.fields[field]; len(known) > 0 {
		return known[m.rnd.IntN(len(known))]
	}
	return texts[m.rnd.IntN(len(texts))]
}

// near returns a number close to another one.
func (m mutator) near(n json.Number) any {
	i, err := n.Int64()
	if err != nil {
		return n
	}
	steps := []int64{-2, -1, 1, 2, 10, 1000, 1_000_000}
	out, err := json.Marshal(i + steps[m.rnd.IntN(len(steps))])
	if err != nil {
		return n
	}
	return json.Number(out)
}

// twice gives an object its first member once more, at the end.
func (m mutator) twice(data []byte) []byte {
	body, ok := strings.CutSuffix(string(data), "}")
	if !ok || len(body) < 2 {
		return data
	}
	return []byte(body + "," + body[1:] + "}")
}

// bytes changes data without regard to what it is.
func (m mutator) bytes(data []byte) []byte {
	out := slices.Clone(data)
	if len(out) == 0 {
		return m.junk(1 + m.rnd.IntN(64))
	}
	i := m.rnd.IntN(len(out))
	switch m.rnd.IntN(5) {
	case 0:
		return out[:i]
	case 1:
		out[i] ^= 1 << m.rnd.IntN(8)
	case 2:
		return slices.Insert(out, i, m.junk(1+m.rnd.IntN(16))...)
	case 3:
		return append(out, out[i:]...)
	default:
		out[i] = byte(m.rnd.UintN(256))
	}
	return out
}

// junk returns n bytes that mean nothing.
func (m mutator) junk(n int) []byte {
	out := make([]byte, 0, n+8)
	for len(out) < n {
		out = binary.LittleEndian.AppendUint64(out, m.rnd.Uint64())
	}
	return out[:n]
}

// oversized returns up to n bytes of a kind that costs whoever reads it: deep nesting, long strings, long
// lists, many members, or numbers of many digits.
func (m mutator) oversized(n int) []byte {
	switch m.rnd.IntN(6) {
	case 0:
		return []byte(strings.Repeat("[", n/2) + strings.Repeat("]", n/2))
	case 1:
		return []byte(strings.Repeat(`{"a":`, n/6) + "1" + strings.Repeat("}", n/6))
	case 2:
		return []byte(`{"v":1,"child":"` + strings.Repeat("x", max(0, n-18)) + `"}`)
	case 3:
		return []byte(`{"v":1,"children":[` + strings.Repeat(`"y",`, max(0, n-24)/4) + `"z"]}`)
	case 4:
		return []byte(`{"v":` + strings.Repeat("1", max(1, n-6)) + `}`)
	}
	return m.junk(n)
}
