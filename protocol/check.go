package protocol

import (
	"fmt"
	"time"
)

// Limits on what values may hold.
const (
	MaxCapacity   = 1_000_000 // of a node
	MaxLabels     = 64        // of a node
	MaxLabelBytes = 256       // of one label, its name included
	maxIDBytes    = 64        // of an incarnation or a server's id
	maxBatch      = 1000      // records in one commit
)

// at gives a *FieldError the path at which its field stands.
func at(path string, err error) error {
	if f, ok := err.(*FieldError); ok {
		return &FieldError{path, f.Found, f.Allowed}
	}
	return err
}

func index(list string, i int, field string) string { return fmt.Sprintf("%s[%d]%s", list, i, field) }

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *View) check() error {
	err := first(
		between("view", v.Number, 1, 1<<53),
		at("coordinator.node", ValidateNode(v.Coordinator.Node)),
		checkID("coordinator.incarnation", v.Coordinator.ID),
		checkHub("hub", v.Hub),
		between("batch", uint64(max(v.Batch, 0)), 1, maxBatch),
		distinct("members", v.Members, ".node", func(m Member) string { return m.Node }),
	)
	if v.Resigned() && err == nil {
		err = first(at("successor.node", ValidateNode(v.Successor.Node)), checkID("successor.incarnation", v.Successor.ID))
	}
	if err != nil {
		return err
	}
	for i := range v.Members {
		if err := v.Members[i].check(v.Number); err != nil {
			return err.in("members", i)
		}
	}
	for i := range v.Gone {
		if err := v.Gone[i].check(v.Number); err != nil {
			return err.in("gone", i)
		}
	}
	return nil
}

// in says that the field stands in an element of a list.
func (e *FieldError) in(list string, i int) error {
	return &FieldError{index(list, i, "."+e.Field), e.Found, e.Allowed}
}

func (m *Member) check(view uint64) *FieldError {
	return asField(first(m.Incarnation.check(), between("since", m.Since, 1, view), checkLoad(m.Labels, m.Capacity), checkKinds(m.Kinds)))
}

func (d *Departure) check(view uint64) *FieldError {
	return asField(first(d.Incarnation.check(), between("since", d.Since, 1, view), between("until", d.Until, d.Since+1, view)))
}

// asField returns an error that is known to be a *FieldError as one.
func asField(err error) *FieldError {
	if f, ok := err.(*FieldError); ok {
		return f
	}
	return nil
}

func (in *Incarnation) check() error {
	return first(ValidateNode(in.Node), checkID("incarnation", in.ID))
}

func (e *Entry) check() error {
	err := first(
		between("view", e.View, 1, 1<<53),
		between("epoch", e.Epoch, 1, e.View),
		between("unchanged", e.Unchanged, 0, e.Spec),
		between("changing", e.Changing, 0, e.Spec),
		distinct("replicas", e.Replicas, ".node", func(r Replica) string { return r.Node }),
		distinct("after", e.After, "", func(n string) string { return n }),
		distinct("failed", e.Failed, ".node", func(f Failure) string { return f.Node }),
		distinct("failing", e.Failing, ".node", func(f Failure) string { return f.Node }),
	)
	if err != nil {
		return err
	}
	for i, r := range e.Replicas {
		if err := at(index("replicas", i, ".mode"), checkMode(r.Mode)); err != nil {
			return err
		}
	}
	return nil
}

func checkMode(m Mode) error {
	if m == Active || m == Passive {
		return nil
	}
	return &FieldError{"mode", found(string(m)), "active or passive"}
}

// distinct checks that the nodes that a list names are valid, and none is there twice.
func distinct[T any](list string, all []T, field string, name func(T) string) error {
	seen := make(map[string]bool, len(all))
	for i, x := range all {
		n := name(x)
		if err := ValidateNode(n); err != nil {
			return at(index(list, i, field), err)
		}
		if seen[n] {
			return &FieldError{index(list, i, field), Quote(n) + " again", "each node once"}
		}
		seen[n] = true
	}
	return nil
}

func (s *Spec) check() error {
	if err := s.Validate(); err != nil {
		return err
	}
	if err := s.Redundancy.complete(); err != nil {
		return err
	}
	return first(
		given("restart.policy", string(s.Restart.Policy)),
		between("restart.max", uint64(s.Restart.Max), 1, 1_000_000),
		between("restart.within", uint64(s.Restart.Within), 1, uint64(24*time.Hour)),
	)
}

// complete returns an error that names the first field that is left open.
func (r *Redundancy) complete() error {
	factor := r.Factor.String()
	if r.Factor == 0 {
		factor = ""
	}
	return first(
		given("redundancy.strategy", string(r.Strategy)),
		given("redundancy.replication_factor", factor),
		given("redundancy.replication_model", string(r.Model)),
		given("redundancy.redundancy_signal", string(r.Signal)),
	)
}

// given returns an error if a field is empty that a stored value never leaves open.
func given(field, value string) error {
	if value == "" {
		return &FieldError{field, "nothing", "a value: what is stored leaves nothing to defaults"}
	}
	return nil
}

func (c *Config) check() error { return first(c.Redundancy.complete(), c.Validate(), checkSet(c.Set)) }

// maxSet bounds the names of settings that were changed, later builds' included.
const maxSet = 64

func checkSet(set map[string]uint64) error {
	if len(set) > maxSet {
		return &FieldError{"set", fmt.Sprintf("%d settings", len(set)), fmt.Sprintf("at most %d", maxSet)}
	}
	for name, view := range set {
		if name == "" || len(name) > maxIDBytes {
			return &FieldError{"set", Quote(name), fmt.Sprintf("names of 1 to %d bytes", maxIDBytes)}
		}
		if err := between("set."+name, view, 1, 1<<53); err != nil {
			return err
		}
	}
	return nil
}

func (r *NodeRecord) check() error {
	err := first(
		r.Incarnation.check(), r.Status.check(), checkLoad(r.Labels, r.Capacity),
		checkCounts("", r.Children, r.Active), r.Conn.check("conn"), checkHub("hub", r.Hub),
	)
	switch {
	case err != nil:
		return err
	case r.Lease < 0 || r.Lease.Std() > time.Hour:
		return &FieldError{"lease", r.Lease.Std().String(), "0 to 1h"}
	case r.By != "" && ValidateNode(r.By) != nil:
		return at("by", ValidateNode(r.By))
	case r.Fencer != "" && checkID("fencer", r.Fencer) != nil:
		return checkID("fencer", r.Fencer)
	case r.Generation > MaxGeneration:
		return between("generation", r.Generation, 0, MaxGeneration)
	}
	return r.Withdrew.check()
}

func (w *Withdrawal) check() error {
	if *w == (Withdrawal{}) {
		return nil
	}
	return checkID("withdrew.incarnation", w.ID)
}

func (s Status) check() error {
	switch s {
	case Up, Draining, Lost, Left:
		return nil
	}
	return &FieldError{"status", found(string(s)), "up, draining, lost or left"}
}

func (c *Conn) check(path string) error {
	if c.Server == "" {
		return nil // not known
	}
	return checkID(path+".server", c.Server)
}

// checkLoad checks what a node says of itself.
func checkLoad(labels map[string]string, capacity int) error {
	return first(ValidateCapacity(capacity), ValidateLabels(labels))
}

// ValidateCapacity returns an error unless n is 0 (which means 1) to MaxCapacity.
func ValidateCapacity(n int) error {
	if n < 0 || n > MaxCapacity {
		return &FieldError{"capacity", fmt.Sprint(n), fmt.Sprintf("0 (which means 1) to %d", MaxCapacity)}
	}
	return nil
}

// ValidateLabels returns an error if there are more than MaxLabels, or one has no name or is longer
// than MaxLabelBytes.
func ValidateLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return &FieldError{"labels", fmt.Sprintf("%d labels", len(labels)), fmt.Sprintf("at most %d", MaxLabels)}
	}
	for k, v := range labels {
		if k == "" || len(k)+len(v) > MaxLabelBytes {
			return &FieldError{"labels", "a label without a name, or too long", fmt.Sprintf("name and value of at most %d bytes", MaxLabelBytes)}
		}
	}
	return nil
}

func checkCounts(path string, children, active int) error {
	switch {
	case children < 0:
		return &FieldError{path + "children", fmt.Sprint(children), "0 or more"}
	case active < 0: // both are counted while they change: there may be more active ones for a moment
		return &FieldError{path + "active", fmt.Sprint(active), "0 or more"}
	}
	return nil
}

// checkID checks an identifier that is opaque: of A-Z a-z 0-9 _ -.
func checkID(path, id string) error {
	if id == "" || len(id) > maxIDBytes {
		return &FieldError{path, found(id), fmt.Sprintf("1 to %d of A-Z a-z 0-9 _ -", maxIDBytes)}
	}
	for i := 0; i < len(id); i++ {
		if !isNameByte(id[i]) {
			return &FieldError{path, Quote(id), fmt.Sprintf("1 to %d of A-Z a-z 0-9 _ -", maxIDBytes)}
		}
	}
	return nil
}

// checkHub checks a hub's id; older builds send none.
func checkHub(path, id string) error {
	if id == "" {
		return nil
	}
	return checkID(path, id)
}

func between(path string, n, low, high uint64) error {
	if n >= low && n <= high {
		return nil
	}
	return &FieldError{path, fmt.Sprint(n), fmt.Sprintf("%d to %d", low, high)}
}

// found shows a string that was found, or that there was none.
func found(s string) string {
	if s == "" {
		return "nothing"
	}
	return Quote(s)
}
