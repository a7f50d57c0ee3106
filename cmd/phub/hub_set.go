package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
)

type hubSet struct {
	app   *app
	pairs []string

	config phub.Config // what these ask for
}

func (a *app) addHubSet(parent *fisk.CmdClause) {
	c := &hubSet{app: a}
	cmd := parent.Command("set", "Change the configuration of the hub while it runs").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.HelpLong("The settings are those of phub node run: strategy, factor, model and signal, which are for children that are started or changed later; balance, " +
		"failover, probe. A failover that is strict stays, and so do heartbeat, lease and authority: nodes hear of a change at different times, and must not judge each other " +
		"by different leases. Nodes that were started with other flags take the hub's. Somebody else's change at the same time is told.")
	cmd.Arg("settings", "Such as balance=off").Required().StringsVar(&c.pairs)
}

func (c *hubSet) check() error {
	settings, err := parsePairs("settings", c.pairs)
	if err != nil {
		return err
	}
	var n nodeConfig
	for _, name := range sortedKeys(settings) {
		if err := n.set(name, settings[name]); err != nil {
			return err
		}
	}
	c.config, err = n.ask()
	return err
}

// texts are the settings that are words, by the flags' names.
func (n *nodeConfig) texts() map[string]*string {
	return map[string]*string{
		"strategy": &n.strategy, "factor": &n.factor, "model": &n.model, "signal": &n.signal, "failover": &n.failover, "balance": &n.balance,
	}
}

// times are those that are durations.
func (n *nodeConfig) times() map[string]*time.Duration {
	return map[string]*time.Duration{"heartbeat": &n.heartbeat, "lease": &n.lease, "authority": &n.authority, "probe": &n.probe}
}

// allowedWords are what the settings that are words may be.
var allowedWords = map[string][]string{"strategy": strategies, "model": models, "signal": signals, "failover": failovers, "balance": balances}

// set takes a setting by its flag's name.
func (n *nodeConfig) set(name, value string) error {
	if to := n.times()[name]; to != nil {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return usagef("%s: found %q, want a time with a unit, such as 50ms", name, value)
		}
		*to = d
		return nil
	}
	to := n.texts()[name]
	if to == nil {
		return usagef("found the setting %q, want %s", name, either(append(sortedKeys(n.texts()), sortedKeys(n.times())...)))
	}
	if words := allowedWords[name]; words != nil && !slices.Contains(words, value) {
		return usagef("%s: found %q, want %s", name, value, either(words))
	}
	*to = value
	return nil
}

func (c *hubSet) run(ctx context.Context, client *phub.Client) error {
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	now, err := client.SetHub(ctx, c.config, st.Config.Revision())
	if err != nil {
		return err
	}
	if c.app.json {
		return c.app.printJSON(now)
	}
	_, changed, err := st.Config.With(c.config)
	if err != nil {
		return fmt.Errorf("compare the configuration before and after: %w", err)
	}
	if len(changed) == 0 {
		c.app.printf("as it was\n")
		return nil
	}
	c.app.printf("changed: %s\n", strings.Join(changed, ", "))
	return nil
}
