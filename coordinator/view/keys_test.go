package view_test

import (
	"fmt"
	"hash/crc32"

	"github.com/phub-io/phub/protocol"
)

// keys stand for real ones: in a story nothing signs as an incarnation but its process, and a put that says so.
type keys struct {
	p  *process
	id string
}

func (k *keys) NewID() string {
	k.p.w.ids[k.p.name]++
	k.id = fmt.Sprintf("%s-%d", k.p.name, k.p.w.ids[k.p.name])
	return k.id
}

func (k *keys) Sign(text []byte) string { return signature(k.id, text) }

func (k *keys) Verify(id string, text []byte, sig string) bool { return sig == signature(id, text) }

// signed returns a value with an incarnation's signature.
func signed(value []byte, id string) []byte {
	text := protocol.SignedText(value)
	return fmt.Appendf(nil, `%s,"sig":%q}`, text, signature(id, text))
}

func signature(id string, text []byte) string {
	return fmt.Sprintf("%s.%x", id, crc32.ChecksumIEEE(text))
}
