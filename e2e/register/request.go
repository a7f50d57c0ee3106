package register

// Kind is what an operation does to a register.
type Kind string

// The kinds.
const (
	Read  Kind = "read"
	Write Kind = "write"
	// CAS writes a value if it finds the one that is expected, and returns what it found in any case.
	CAS Kind = "cas"
)

// Request is what a client sends to a replica, as JSON.
type Request struct {
	Register string `json:"register"`
	Kind     Kind   `json:"kind"`
	Value    int64  `json:"value,omitempty"`
	Expect   int64  `json:"expect,omitempty"`
}

// Answer is what a replica answers, as JSON.
type Answer struct {
	// Found is what was in the register before. It means nothing for a write.
	Found   int64 `json:"found"`
	Swapped bool  `json:"swapped,omitempty"` // by a CAS
}

// Stored is what a replica asks of the store, as JSON, and what the store answers.
type Stored struct {
	Register string `json:"register"`
	Epoch    uint64 `json:"epoch"`
	Value    int64  `json:"value"`
}

// CodeFenced is with what the store answers an operation of an old epoch, and a replica a client whose
// request came to that: nothing was done.
const CodeFenced = 409
