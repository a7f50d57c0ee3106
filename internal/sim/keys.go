package sim

import (
	"fmt"
	"hash/fnv"
)

// keys stand for real ones: nothing in a run signs as an incarnation but the process that it is of. A signature
// covers the whole text, as a real one does.
type keys struct {
	p  *process
	id string
}

func (k *keys) NewID() string {
	k.p.ids++
	k.id = fmt.Sprintf("%s-%d-%d", k.p.name, k.p.number, k.p.ids)
	return k.id
}

func (k *keys) Sign(text []byte) string { return signature(k.id, text) }

func (k *keys) Verify(id string, text []byte, sig string) bool { return sig == signature(id, text) }

func signature(id string, text []byte) string {
	sum := fnv.New64a()
	sum.Write(text)
	return fmt.Sprintf("%s.%x", id, sum.Sum64())
}
