package protocol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
)

// Views, nodes' records, and what nodes send each other (see EncodeSigned) are signed, so that every reader can tell who wrote them: an incarnation is named
// after its key. No list of keys is needed, and none is kept: who signs as an incarnation is that incarnation.
//
// The signature is the value's last field, "sig". It covers all bytes before the comma that precedes it, so that
// fields that a reader does not know are covered as well.

// Keys makes incarnations, and signs for the one that was made last. The zero value is not usable; see NewKeys. It is
// not safe for concurrent use; but those methods that make no incarnation may be called concurrently with each other.
type Keys struct {
	random io.Reader
	last   *key // nil before the first
}

// key is an incarnation's.
type key struct {
	id      string
	private ed25519.PrivateKey
}

// NewKeys returns keys that are made from random, which must be unpredictable (crypto/rand.Reader) and must not fail.
func NewKeys(random io.Reader) *Keys { return &Keys{random: random} }

// NewID makes a new key, and returns the name of the incarnation that it belongs to: a UUID (version 8) that is
// derived from the key.
func (k *Keys) NewID() string {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(k.random, seed); err != nil {
		panic("phub: no random bytes for a new key: " + err.Error())
	}
	x := &key{private: ed25519.NewKeyFromSeed(seed)}
	x.id = idOf(x.public())
	k.last = x
	return x.id
}

func (k *key) public() ed25519.PublicKey { return ed25519.PublicKey(k.private[ed25519.SeedSize:]) }

func (k *key) sign(text []byte) string {
	return base64.RawURLEncoding.EncodeToString(slices.Concat(k.public(), ed25519.Sign(k.private, text)))
}

// Sign returns a signature of a text by the incarnation that was made last.
func (k *Keys) Sign(text []byte) string { return k.last.sign(text) }

// SignAs returns the signature of a text by an incarnation; "" if another one was made since.
func (k *Keys) SignAs(id string, text []byte) string {
	if k.last != nil && k.last.id == id {
		return k.last.sign(text)
	}
	return ""
}

// Verify reports whether an incarnation made a signature of a text.
func (k *Keys) Verify(id string, text []byte, signature string) bool {
	return verify(id, text, signature)
}

func verify(id string, text []byte, signature string) bool {
	public, sig, ok := splitKey(signature)
	return ok && idOf(public) == id && ed25519.Verify(public, text, sig)
}

// splitKey returns the key that a signature bears, and the rest; false if it is none.
func splitKey(signature string) (ed25519.PublicKey, []byte, bool) {
	b, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || len(b) != ed25519.PublicKeySize+ed25519.SignatureSize {
		return nil, nil, false
	}
	return ed25519.PublicKey(b[:ed25519.PublicKeySize]), b[ed25519.PublicKeySize:], true
}

// idOf returns the name of the incarnation that has a key: the first 122 free bits of a UUID are those of the key's
// SHA-256.
func idOf(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x80 // version 8
	b[8] = b[8]&0x3f | 0x80 // variant
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

const (
	sigField = `,"sig":"`
	sigEnd   = `"}`
)

// SplitSignature returns what a value's signature covers, and the signature; "" if it bears none. The bytes are the
// value's own.
func SplitSignature(value []byte) (text []byte, signature string) {
	i := bytes.LastIndex(value, []byte(sigField))
	if i < 0 || !bytes.HasSuffix(value[i+len(sigField):], []byte(sigEnd)) {
		return value, ""
	}
	return value[:i], string(value[i+len(sigField) : len(value)-len(sigEnd)])
}

// SignedText returns what the signature of a value is to cover that was encoded without one.
func SignedText(unsigned []byte) []byte { return bytes.TrimSuffix(unsigned, []byte("}")) }

// Author returns who must have signed a record: the incarnation that it is of; of a fence the one that fenced it.
func (r *NodeRecord) Author() string {
	if r.Status == Lost {
		return r.Fencer
	}
	return r.ID
}
