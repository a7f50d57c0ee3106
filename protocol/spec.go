package protocol

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// Spec describes a child: what runs, with what, how many times, and what happens when it ends. It is
// stored under the child's name in the children bucket, with nothing left to defaults.
type Spec struct {
	V     int    `json:"v"`
	Child string `json:"child"`
	Kind  string `json:"kind"`
	// Args are the worker's own. At most MaxSpecBytes, with the metadata.
	Args map[string]string `json:"args,omitempty"`
	// Metadata is for whoever looks children up; phub reads only "tag".
	Metadata map[string]string `json:"metadata,omitempty"`
	Restart  Restart           `json:"restart"`
	// HandlerLimit is how long a handler may run before its replica counts as failed. Default: as long as it likes.
	HandlerLimit Duration   `json:"handler_limit,omitempty"`
	Redundancy   Redundancy `json:"redundancy"`
	// Change is what the child is being changed to, if that needs other workers: replica by replica, which ones have them, the
	// entry says. Only a coordinator writes it: once all have it, it takes the place of all else here; once it fails on
	// one, it is taken back.
	Change *Spec `json:"change,omitempty"`
	later  unknown
}

// TagKey is the key in Metadata by which children are listed together.
const TagKey = "tag"

// MaxSpecBytes bounds the args and metadata of one spec together, in bytes.
const MaxSpecBytes = 64 << 10

// The least and the greatest limit of a handler. A shorter one than the least is a mistake about units.
const (
	MinHandlerLimit = 10 * time.Millisecond
	MaxHandlerLimit = 24 * time.Hour
)

// Restart says what happens when a replica's worker ends, fails or panics.
type Restart struct {
	Policy RestartPolicy `json:"policy,omitempty"` // default permanent
	// When more than Max restarts are needed within Within, the replica is given up on its node and
	// another node's takes over. Defaults: 5 in 10 s.
	Max    int      `json:"max,omitempty"`
	Within Duration `json:"within,omitempty"`
}

// RestartPolicy is one of the three of OTP's supervisors.
type RestartPolicy string

// The restart policies.
const (
	Permanent RestartPolicy = "permanent" // always restarted
	Transient RestartPolicy = "transient" // restarted after an error or panic; a normal end stops the child
	Temporary RestartPolicy = "temporary" // never restarted; any end stops the child
)

// Redundancy says how many replicas a child has and what they are to each other.
type Redundancy struct {
	Strategy Strategy `json:"strategy,omitempty"`           // default singularity
	Factor   Factor   `json:"replication_factor,omitempty"` // default 2 with replication, 1 with singularity
	Model    Model    `json:"replication_model,omitempty"`  // default active_active
	Signal   Signal   `json:"redundancy_signal,omitempty"`  // default none
}

// Strategy is a redundancy strategy.
type Strategy string

// The strategies.
const (
	Singularity Strategy = "singularity"
	Replication Strategy = "replication"
)

// Model says which replicas are active.
type Model string

// The replication models.
const (
	ActiveActive  Model = "active_active"
	ActivePassive Model = "active_passive"
)

// Signal says which replicas' workers are told of their mode.
type Signal string

// The redundancy signals.
const (
	SignalNone    Signal = "none"
	SignalActive  Signal = "active"
	SignalPassive Signal = "passive"
	SignalAll     Signal = "all"
)

// Tells reports whether a worker with this signal setting is told that its mode is now m.
func (s Signal) Tells(m Mode) bool { return s == SignalAll || string(s) == string(m) }

// Factor is a number of replicas, or ClusterSize. In JSON it is a number, or "cluster_size".
type Factor int

// ClusterSize asks for a replica on every node.
const ClusterSize Factor = -1

// MaxFactor is the largest number of replicas that may be asked for by number.
const MaxFactor = 1000

// ParseFactor reads a factor as people write it: "3" or "cluster_size".
func ParseFactor(s string) (Factor, error) {
	if s == "cluster_size" {
		return ClusterSize, nil
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' || n > MaxFactor {
			n = 0
			break
		}
		n = n*10 + int(c-'0')
	}
	if n < 1 || n > MaxFactor {
		return 0, &FieldError{"replication_factor", Quote(s), fmt.Sprintf("1 to %d, or cluster_size", MaxFactor)}
	}
	return Factor(n), nil
}

// String returns the factor as people write it.
func (f Factor) String() string {
	if f == ClusterSize {
		return "cluster_size"
	}
	return fmt.Sprint(int(f))
}

// MarshalJSON writes a number, or "cluster_size".
func (f Factor) MarshalJSON() ([]byte, error) {
	if f == ClusterSize {
		return []byte(`"cluster_size"`), nil
	}
	return json.Marshal(int(f))
}

// UnmarshalJSON reads a number, the number in a string, or "cluster_size". null leaves it open.
func (f *Factor) UnmarshalJSON(b []byte) error {
	s := string(b)
	if s == "null" {
		return nil
	}
	if len(s) > 1 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	v, err := ParseFactor(s)
	if err != nil {
		return err
	}
	*f = v
	return nil
}

// Duration is a time.Duration that JSON holds as a string such as "2s" or "500ms".
type Duration time.Duration

// MarshalJSON writes the form of time.Duration.String.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads what time.ParseDuration reads. null leaves it open.
func (d *Duration) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return &FieldError{"duration", Quote(string(b)), `a string such as "2s" or "500ms"`}
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return &FieldError{"duration", Quote(s), `a number with a unit, such as "2s" or "500ms"`}
	}
	*d = Duration(v)
	return nil
}

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Exclusive reports whether at most one replica may be active.
func (r Redundancy) Exclusive() bool { return r.Strategy == Singularity || r.Model == ActivePassive }

// Replicas returns how many replicas are wanted in a hub of that many nodes.
func (r Redundancy) Replicas(nodes int) int {
	switch {
	case r.Strategy == Singularity:
		return 1
	case r.Factor == ClusterSize:
		return nodes
	}
	return int(r.Factor)
}

// Or returns r with what it leaves open taken from d, then from phub's defaults. Asking for more than
// one replica, or for a model, is asking for replication. A strategy that differs from d's takes
// nothing from d but the signal.
func (r Redundancy) Or(d Redundancy) Redundancy {
	d.Strategy = d.strategyOr(Singularity)
	r.Strategy = r.strategyOr(d.Strategy)
	if r.Strategy == d.Strategy {
		if r.Factor == 0 {
			r.Factor = d.Factor
		}
		if r.Model == "" {
			r.Model = d.Model
		}
	}
	if r.Signal == "" {
		r.Signal = d.Signal
	}
	return r.withDefaults()
}

// strategyOr returns the strategy that r asks for, in whatever way, or d.
func (r Redundancy) strategyOr(d Strategy) Strategy {
	switch {
	case r.Strategy != "":
		return r.Strategy
	case r.Factor != 0 && r.Factor != 1, r.Model != "":
		return Replication
	}
	return d
}

// withDefaults fills in what r leaves open but the strategy.
func (r Redundancy) withDefaults() Redundancy {
	if r.Factor == 0 {
		r.Factor = 1
		if r.Strategy == Replication {
			r.Factor = 2
		}
	}
	if r.Model == "" {
		r.Model = ActiveActive
	}
	if r.Signal == "" {
		r.Signal = SignalNone
	}
	return r
}

// WithDefaults returns the spec as it is stored: what it leaves open is taken from the hub's
// redundancy, then from phub's defaults.
func (s Spec) WithDefaults(hub Redundancy) Spec {
	s.V = 1
	s.Redundancy = s.Redundancy.Or(hub)
	if s.Restart.Policy == "" {
		s.Restart.Policy = Permanent
	}
	if s.Restart.Max == 0 {
		s.Restart.Max = 5
	}
	if s.Restart.Within == 0 {
		s.Restart.Within = Duration(10 * time.Second)
	}
	return s
}

// Validate returns an error that names the first field that is wrong. Fields left open are right.
func (s *Spec) Validate() error {
	if err := ValidateChild(s.Child); err != nil {
		return err
	}
	if err := ValidateKind(s.Kind); err != nil {
		return err
	}
	if err := s.Restart.validate(); err != nil {
		return err
	}
	if d := s.HandlerLimit.Std(); d != 0 && (d < MinHandlerLimit || d > MaxHandlerLimit) {
		return &FieldError{"handler_limit", d.String(), "0 (for none), or 10ms to 24h"}
	}
	if err := s.Redundancy.Validate(); err != nil {
		return err
	}
	if err := first(validateText("args", s.Args), validateText("metadata", s.Metadata)); err != nil {
		return err
	}
	if size := textSize(s.Args) + textSize(s.Metadata); size > MaxSpecBytes {
		return &FieldError{"args and metadata", fmt.Sprintf("%d bytes", size), fmt.Sprintf("at most %d bytes in all", MaxSpecBytes)}
	}
	return s.validateChange()
}

func (s *Spec) validateChange() error {
	c := s.Change
	switch {
	case c == nil:
		return nil
	case c.Child != s.Child:
		return &FieldError{"change.child", Quote(c.Child), Quote(s.Child)}
	case c.Change != nil:
		return &FieldError{"change.change", "one", "none"}
	}
	if f := asField(c.Validate()); f != nil {
		return &FieldError{"change." + f.Field, f.Found, f.Allowed}
	}
	return nil
}

// validateText refuses what JSON would not give back as it was.
func validateText(field string, m map[string]string) error {
	if _, ok := m[""]; ok {
		return &FieldError{field, "an empty key", "keys of at least one character"}
	}
	for k, v := range m {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return &FieldError{field, "bytes that are not UTF-8", "UTF-8; encode other bytes, for example as base64"}
		}
	}
	return nil
}

func textSize(m map[string]string) int {
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
	}
	return size
}

func (r *Restart) validate() error {
	switch r.Policy {
	case "", Permanent, Transient, Temporary:
	default:
		return &FieldError{"restart.policy", Quote(string(r.Policy)), "permanent, transient or temporary"}
	}
	if r.Max < 0 || r.Max > 1_000_000 {
		return &FieldError{"restart.max", fmt.Sprint(r.Max), "0 (for the default) to 1000000"}
	}
	if r.Within < 0 || r.Within.Std() > 24*time.Hour {
		return &FieldError{"restart.within", r.Within.Std().String(), "0 (for the default) to 24h"}
	}
	return nil
}

// Validate returns an error that names the first field that is wrong. Fields left open are right.
func (r *Redundancy) Validate() error {
	switch r.Strategy {
	case "", Singularity, Replication:
	default:
		return &FieldError{"redundancy.strategy", Quote(string(r.Strategy)), "singularity or replication"}
	}
	if r.Factor != ClusterSize && (r.Factor < 0 || r.Factor > MaxFactor) {
		return &FieldError{"redundancy.replication_factor", fmt.Sprint(int(r.Factor)), fmt.Sprintf("1 to %d, or cluster_size", MaxFactor)}
	}
	if r.Strategy == Singularity && r.Factor != 0 && r.Factor != 1 {
		return &FieldError{"redundancy.replication_factor", r.Factor.String(), "1 with the strategy singularity; for more replicas ask for the strategy replication"}
	}
	switch r.Model {
	case "", ActiveActive, ActivePassive:
	default:
		return &FieldError{"redundancy.replication_model", Quote(string(r.Model)), "active_active or active_passive"}
	}
	switch r.Signal {
	case "", SignalNone, SignalActive, SignalPassive, SignalAll:
	default:
		return &FieldError{"redundancy.redundancy_signal", Quote(string(r.Signal)), "none, active, passive or all"}
	}
	return nil
}

// Difference is a field in which two specs differ, and its value in each, as text.
type Difference struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// String says it for somebody who asks for To where there is From.
func (d Difference) String() string {
	return d.Field + " is " + d.From + " there, found " + d.To
}

// Difference says the first of the fields in which o differs from s; "" if they ask for the same. Both must be complete.
func (s *Spec) Difference(o *Spec) string {
	if all := s.Differences(o); len(all) > 0 {
		return all[0].String()
	}
	return ""
}

// Differences returns the fields in which o differs from s: args and metadata last, by their keys. Both must be complete.
func (s *Spec) Differences(o *Spec) []Difference {
	var all []Difference
	for _, f := range []struct {
		field string
		s, o  any
	}{
		{"kind", s.Kind, o.Kind},
		{"redundancy.strategy", s.Redundancy.Strategy, o.Redundancy.Strategy},
		{"redundancy.replication_factor", s.Redundancy.Factor, o.Redundancy.Factor},
		{"redundancy.replication_model", s.Redundancy.Model, o.Redundancy.Model},
		{"redundancy.redundancy_signal", s.Redundancy.Signal, o.Redundancy.Signal},
		{"restart.policy", s.Restart.Policy, o.Restart.Policy},
		{"restart.max", s.Restart.Max, o.Restart.Max},
		{"restart.within", s.Restart.Within.Std(), o.Restart.Within.Std()},
		{"handler_limit", s.HandlerLimit.Std(), o.HandlerLimit.Std()},
	} {
		if f.s != f.o {
			all = append(all, Difference{f.field, fmt.Sprint(f.s), fmt.Sprint(f.o)})
		}
	}
	return slices.Concat(all, mapDifferences("args", s.Args, o.Args), mapDifferences("metadata", s.Metadata, o.Metadata))
}

// mapDifferences names the keys, sorted, whose values differ.
func mapDifferences(field string, s, o map[string]string) []Difference {
	value := func(m map[string]string, key string) string {
		if v, ok := m[key]; ok {
			return Quote(v)
		}
		return "absent"
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(s)), maps.Keys(o))
	slices.Sort(keys)
	var all []Difference
	for _, key := range slices.Compact(keys) {
		was, inS := s[key]
		is, inO := o[key]
		if was != is || inS != inO {
			all = append(all, Difference{field + "." + Cut(key, maxQuoted), value(s, key), value(o, key)})
		}
	}
	return all
}

// Equal reports whether two specs ask for the same, and are being changed to the same, if at all.
func (s *Spec) Equal(o *Spec) bool {
	return s.Child == o.Child && s.Restart == o.Restart && s.HandlerLimit == o.HandlerLimit && s.Redundancy == o.Redundancy &&
		maps.Equal(s.Metadata, o.Metadata) && s.SameWorker(o) && equalOrNone(s.Change, o.Change)
}

// SameWorker reports whether a worker that was made for one of two specs of a child will do for the other: kind and args are
// equal. All else can be changed while it runs.
func (s *Spec) SameWorker(o *Spec) bool { return s.Kind == o.Kind && maps.Equal(s.Args, o.Args) }

// Changed returns the spec as it is once its change is complete; without a change, the spec as it is.
func (s *Spec) Changed() Spec {
	if s.Change != nil {
		return *s.Change
	}
	return *s
}

// WithWorker returns the spec with another one's kind and args, and without a change.
func (s *Spec) WithWorker(o *Spec) Spec {
	c := *s
	c.Kind, c.Args, c.Change = o.Kind, o.Args, nil
	return c
}

func equalOrNone(s, o *Spec) bool { return s == o || s != nil && o != nil && s.Equal(o) }
