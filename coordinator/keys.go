package coordinator

import (
	"io"
	"sync"

	"github.com/phub-io/phub/protocol"
)

// Keys are protocol.Keys that may be used concurrently: the loop makes incarnations and signs what they store, sessions
// sign what they send.
type Keys struct {
	mu   sync.RWMutex
	keys *protocol.Keys
}

// NewKeys returns keys that are made from random: see protocol.NewKeys.
func NewKeys(random io.Reader) *Keys { return &Keys{keys: protocol.NewKeys(random)} }

// NewID makes a new key, and returns the name of the incarnation that it belongs to.
func (k *Keys) NewID() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys.NewID()
}

// Sign returns a signature of a text by the incarnation that was made last.
func (k *Keys) Sign(text []byte) string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys.Sign(text)
}

// SignAs returns the signature of a text by an incarnation; "" if another one was made since.
func (k *Keys) SignAs(id string, text []byte) string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys.SignAs(id, text)
}

// Verify reports whether an incarnation made a signature of a text.
func (k *Keys) Verify(id string, text []byte, signature string) bool {
	return k.keys.Verify(id, text, signature)
}
