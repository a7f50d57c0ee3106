package sim

import (
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// settings has somebody change the configuration, in half of the runs.
func (p *Plan) settings(r *rand.Rand) {
	if r.IntN(2) == 0 {
		return
	}
	gap := pick(r, sec, 4*sec, 12*sec)
	for t := r.Int64N(gap); t < p.End; t += 1 + r.Int64N(2*gap) {
		p.Faults = append(p.Faults, faultOf(r, SetHub, t))
	}
}

// settingRecipes are for changes of the configuration.
var settingRecipes = []Recipe{
	{Name: "the configuration changes while a node hangs", lease: 6 * sec, steps: []step{
		{SetHub, 0, 0, anyone, 0, 0},
		{Pause, 0, 30 * ms, one, 2500 * ms, 5500 * ms},
		{LongRequest, 0, 10 * ms, child, sec, 4 * sec},
	}},
}

// setHub asks for another configuration, if nothing is under way: for another failover, in most cases, else for another balance or
// pace of probes. Where failover is strict, any other is to be refused. No hub becomes fast, or auto: what the checks leave out for that depends on
// the plan.
func (c *client) setHub(n int) {
	now := &c.w.check.settings
	if c.setting || now.Failover == "" {
		return
	}
	var change protocol.Config
	switch {
	case n%4 > 0 && now.Failover == protocol.FailoverStrict:
		change.Failover = protocol.FailoverAuto
	case n%4 > 0:
		change.Failover = protocol.FailoverStrict
	case n%8 > 0:
		change.Probe = protocol.Duration(time.Duration(10+n) * time.Millisecond)
	case now.Balance == protocol.BalanceOff:
		change.Balance = protocol.BalanceOn
	default:
		change.Balance = protocol.BalanceOff
	}
	c.set(protocol.SetRequest{Config: change, Revision: now.Revision()}, 0)
}

// balanceAgain has the load evened in the end.
func (c *client) balanceAgain() {
	if now := &c.w.check.settings; !c.setting && now.Balance == protocol.BalanceOff {
		c.set(protocol.SetRequest{Config: protocol.Config{Balance: protocol.BalanceOn}, Revision: now.Revision()}, 0)
	}
	c.w.in(sec, c.balanceAgain)
}

// set asks for a change until it is done or refused, but not for ever.
func (c *client) set(req protocol.SetRequest, tries int) {
	if c.setting = true; tries == 0 {
		c.asked = append(c.asked, req)
	}
	c.w.tell("", "client asks for the configuration %s", encode(req.Config))
	c.request(protocol.VerbSet, req, func(a *view.AnswerControl) {
		switch {
		case a != nil && a.Problem != nil && (a.Problem.Code == protocol.CodeConflict || a.Problem.Code == protocol.CodeBadRequest):
			c.setting = false
			c.w.tell("", "client: the configuration stays: %s", a.Problem.Message)
		case a != nil && a.Problem == nil && a.Value.(protocol.SetResponse).Done:
			c.setting = false
			c.w.tell("", "client: the configuration is as it was asked for")
			c.w.check.setAcked(&req.Config)
		case tries > 10 && !c.w.healing:
			c.setting = false
		default:
			c.w.in(c.w.between(20*ms, 500*ms), func() { c.set(req, tries+1) })
		}
	})
}

// askedFor reports whether somebody asked for one configuration to become another one.
func (c *client) askedFor(was, is *protocol.Config) bool {
	for i := range c.asked {
		if r := &c.asked[i]; r.Revision == was.Revision() && is.Revision() > was.Revision() {
			next, got := changed(*was, &r.Config), *is
			if next.Set, got.Set = nil, nil; reflect.DeepEqual(next, got) {
				return true
			}
		}
	}
	return false
}

// changed returns a configuration with what a change asks for.
func changed(c protocol.Config, change *protocol.Config) protocol.Config {
	if change.Failover != "" {
		c.Failover = change.Failover
	}
	if change.Balance != "" {
		c.Balance = change.Balance
	}
	if change.Probe != 0 {
		c.Probe = change.Probe
	}
	return c
}

// setAcked looks whether a change that was acknowledged is stored. What somebody else wrote over it is written again.
func (c *checker) setAcked(change *protocol.Config) {
	next := changed(c.settings, change)
	if c.config != nil && !c.foreign && !reflect.DeepEqual(next, c.settings) {
		c.w.breach(RuleConfig, "a change to %s was acknowledged, and it is %s", encode(change), c.config)
	}
}
