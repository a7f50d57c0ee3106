package view

import "github.com/phub-io/phub/protocol"

// Record is what a bucket's stream holds under one key.
type Record struct {
	Bucket   protocol.Bucket
	Key      string
	Value    []byte
	Revision uint64 // the stream's sequence: grows over the whole bucket
	Deleted  bool   // a delete or purge marker
}

// Write is one compare-and-set in a batch: it is stored only if the last revision of Key in the
// bucket is Last (0: the key has never been written, or nothing of it is left).
type Write struct {
	Key    string
	Value  []byte
	Last   uint64
	Delete bool // leave a delete marker, which the stream forgets after an hour
}
