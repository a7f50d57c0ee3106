package sim

import "github.com/phub-io/phub/protocol"

// salts is how many runs of a smaller plan are tried: what is left of its faults happens to meet other
// latencies in each.
const salts = 3

// shrinker looks for a smaller plan that breaks the same promise.
type shrinker struct {
	unsafe Unsafe
	rule   string
	tries  int
	plan   Plan
}

// Shrink drops what it can of a plan that breaks a promise, while that is still broken, in a number of
// tries.
func Shrink(p Plan, u Unsafe, tries int) Plan {
	was := Run(p, u, 0).Violation
	if was == nil {
		return p
	}
	s := &shrinker{u, was.Rule, tries, p}
	s.faults()
	s.world()
	s.faults()
	return s.plan
}

// breaks tries a plan, and keeps it if it breaks the promise.
func (s *shrinker) breaks(p Plan) bool {
	for salt := range uint64(salts) {
		if s.tries <= 0 {
			return false
		}
		s.tries--
		p.Salt = s.plan.Salt + salt
		if v := Run(p, s.unsafe, 0).Violation; v != nil && v.Rule == s.rule {
			s.plan = p
			return true
		}
	}
	return false
}

// faults drops half of the faults, then quarters, and so on.
func (s *shrinker) faults() {
	for size := max(len(s.plan.Faults)/2, 1); size >= 1 && s.tries > 0; size /= 2 {
		for i := 0; i < len(s.plan.Faults) && s.tries > 0; {
			p := s.plan
			p.Faults = append(append([]Fault{}, p.Faults[:i]...), p.Faults[min(i+size, len(p.Faults)):]...)
			if !s.breaks(p) {
				i += size
			}
		}
	}
}

// world makes the rest plainer: fewer nodes, right clocks, all alike, and an end soon after the last
// fault.
func (s *shrinker) world() {
	for _, plainer := range []func(*Plan){
		func(p *Plan) { p.Nodes = 2 },
		func(p *Plan) { p.Nodes = 3 },
		func(p *Plan) { p.Skew = 0 },
		func(p *Plan) { p.StartFails = 0 },
		func(p *Plan) { p.Restarts = [Children]protocol.Restart{} },
		func(p *Plan) { p.Start = 20 * ms },
		func(p *Plan) { p.Uneven, p.Memory = false, 0 },
		func(p *Plan) {
			last := int64(0)
			for _, f := range p.Faults {
				last = max(last, f.At)
			}
			p.End = min(p.End, last+sec)
		},
	} {
		p := s.plan
		plainer(&p)
		if p.Nodes <= s.plan.Nodes {
			s.breaks(p)
		}
	}
}
