package protocol

import "fmt"

func (b *Beat) check() error {
	err := first(
		b.Incarnation.check(), b.Status.check(), checkLoad(b.Labels, b.Capacity), checkKinds(b.Kinds),
		b.Conn.check("conn"), b.Confirms.check("confirms"), checkHub("hub", b.Hub), at("domain", ValidateDomain(b.Domain)),
	)
	if err != nil {
		return err
	}
	if b.Pledge != (Pledge{}) {
		err = checkID("pledge.incarnation", b.Pledge.ID)
	}
	if err != nil {
		return err
	}
	return b.Report.check()
}

func (r *Report) check() error {
	if err := checkCounts("report.", r.Children, r.Active); err != nil {
		return err
	}
	err := first(
		atMost("report.waiting", len(r.Waiting)), atMost("report.failed", len(r.Failed)),
		checkChildren("report.waiting", r.Waiting), checkTrouble(r.Trouble),
	)
	if err != nil {
		return err
	}
	for i, f := range r.Failed {
		if err := ValidateChild(f.Child); err != nil {
			return at(index("report.failed", i, ".child"), err)
		}
	}
	return first(checkRestarted(r.Restarted), checkNotices(r.Notices))
}

func checkNotices(list []Notice) error {
	if n := len(list); n > MaxNotices {
		return &FieldError{"report.notices", fmt.Sprintf("%d children", n), fmt.Sprintf("at most %d", MaxNotices)}
	}
	for i, n := range list {
		if err := ValidateChild(n.Child); err != nil {
			return at(index("report.notices", i, ".child"), err)
		}
	}
	return nil
}

func checkRestarted(list []Restarted) error {
	if n := len(list); n > MaxRestarted {
		return &FieldError{"report.restarted", fmt.Sprintf("%d children", n), fmt.Sprintf("at most %d", MaxRestarted)}
	}
	for i, r := range list {
		if err := ValidateChild(r.Child); err != nil {
			return at(index("report.restarted", i, ".child"), err)
		}
		if r.Restarts < 0 {
			return &FieldError{index("report.restarted", i, ".restarts"), fmt.Sprint(r.Restarts), "0 or more"}
		}
	}
	return nil
}

func checkTrouble(texts []string) error {
	if len(texts) > MaxTrouble {
		return &FieldError{"report.trouble", fmt.Sprintf("%d texts", len(texts)), fmt.Sprintf("at most %d", MaxTrouble)}
	}
	for i, t := range texts {
		if len(t) > MaxText {
			return &FieldError{index("report.trouble", i, ""), fmt.Sprintf("%d bytes", len(t)), fmt.Sprintf("at most %d", MaxText)}
		}
	}
	return nil
}

func atMost(list string, n int) error {
	if n <= MaxReported {
		return nil
	}
	return &FieldError{list, fmt.Sprintf("%d children", n), fmt.Sprintf("at most %d", MaxReported)}
}

func checkChildren(list string, names []string) error {
	for i, n := range names {
		if err := ValidateChild(n); err != nil {
			return at(index(list, i, ""), err)
		}
	}
	return nil
}

func (a *BeatAnswer) check() error {
	return first(
		at("coordinator.node", ValidateNode(a.Coordinator.Node)),
		checkID("coordinator.incarnation", a.Coordinator.ID), checkID("to", a.To),
		a.Conn.check("conn"), a.checkRefused(), checkHub("hub", a.Hub), at("domain", ValidateDomain(a.Domain)),
	)
}

// checkRefused takes a reason that this phub does not know: a newer one may have more.
func (a *BeatAnswer) checkRefused() error {
	if a.Accepted && a.Refused != "" {
		return &FieldError{"refused", Quote(string(a.Refused)), "nothing in an answer that accepts"}
	}
	return nil
}

func (r *ReleaseRequest) check() error {
	if err := first(at("from", ValidateNode(r.From)), checkID("incarnation", r.ID)); err != nil {
		return err
	}
	for i, c := range r.Children {
		if err := at(index("children", i, ".child"), ValidateChild(c.Child)); err != nil {
			return err
		}
		if c.View == 0 {
			return &FieldError{index("children", i, ".view"), "0", "1 or more"}
		}
	}
	return nil
}

func (a *ReleaseAnswer) check() error {
	return first(
		ValidateNode(a.Node), checkID("incarnation", a.ID), checkID("to", a.To),
		checkChildren("released", a.Released),
	)
}

func (m *ModeMessage) check() error {
	return first(ValidateHub(m.Hub), ValidateChild(m.Child), ValidateNode(m.Node), checkMode(m.Mode))
}

func (e *Event) check() error {
	err := first(ValidateHub(e.Hub), given("type", string(e.Type)))
	if err == nil && e.Node != "" {
		err = ValidateNode(e.Node)
	}
	if err == nil && e.Child != "" {
		err = ValidateChild(e.Child)
	}
	return err
}
