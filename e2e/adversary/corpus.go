package adversary

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

const (
	oldest    = 16 // messages of each row that are kept for good: they get older than any other
	newest    = 48 // the latest ones of each row
	sameField = 64 // values of each field
	// recorded is the size in bytes of the largest message that is kept.
	recorded = 64 << 10
)

// Corpus is real messages of a hub, by row, and the values that fields had in them. It is bounded, and used
// by one goroutine.
type Corpus struct {
	rows   map[string][]Message
	next   map[string]int // where the next of the latest ones goes
	fields map[string][]any
	last   map[string]uint64 // by bucket, the last sequence of its stream
}

// NewCorpus returns an empty one.
func NewCorpus() *Corpus {
	return &Corpus{rows: map[string][]Message{}, next: map[string]int{}, fields: map[string][]any{}, last: map[string]uint64{}}
}

// Add keeps a message of a hub, unless it is of no row or large.
func (c *Corpus) Add(hub string, m Message) {
	row, known := RowOf(hub, m.Subject)
	if !known || len(m.Data) > recorded {
		return
	}
	m.Row = row.Name
	if had := c.rows[row.Name]; len(had) < oldest+newest {
		c.rows[row.Name] = append(had, m)
	} else {
		had[oldest+c.next[row.Name]] = m
		c.next[row.Name] = (c.next[row.Name] + 1) % newest
	}
	if row.Name == republished {
		bucket := strings.Split(m.Subject, ".")[4]
		c.last[bucket] = max(c.last[bucket], sequenceOf(m))
	}
	if v, err := decode(m.Data); err == nil {
		c.note("", v)
	}
}

// sequenceOf returns the sequence that a republished message bears; 0 if none.
func sequenceOf(m Message) uint64 {
	for _, s := range m.Header["Nats-Sequence"] {
		if n, err := strconv.ParseUint(s, 10, 64); err == nil {
			return n
		}
	}
	return 0
}

// Len returns how many messages of a row there are.
func (c *Corpus) Len(row string) int { return len(c.rows[row]) }

// note keeps the values of fields.
func (c *Corpus) note(field string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sorted(v) {
			c.note(k, v[k])
		}
	case []any:
		for _, e := range v {
			c.note(field, e)
		}
	default:
		had := c.fields[field]
		if slices.Contains(had, v) {
			return
		}
		if len(had) == sameField {
			had = had[1:]
		}
		c.fields[field] = append(had, v)
	}
}

func decode(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func sorted(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
