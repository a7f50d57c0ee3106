package sim_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phub-io/phub/internal/sim"
	"github.com/phub-io/phub/protocol"
)

var (
	off     = flag.String("sim.off", "", "switch only this rule off in TestRules, and tell the story of what happens then")
	rewrite = flag.Bool("sim.rewrite", false, "write the table of rules in docs/simulation.md")
)

// promise is what a rule keeps: the ones that a run may find broken without it.
type promise struct {
	name  string
	rules []string
}

var (
	oneActive  = promise{"one active", []string{sim.RuleOneActive, sim.RuleEpoch, sim.RuleOneGrants}}
	oneWork    = promise{"active work", []string{sim.RuleOneWork}}
	viewsGrow  = promise{"one history", []string{sim.RuleViews}}
	epochsGrow = promise{"epochs never fall", []string{sim.RuleEpoch}}
	heals      = promise{"it heals alone", []string{sim.RuleHeal}}
	kept       = promise{"acknowledged means kept", []string{sim.RuleStart, sim.RuleStop, sim.RuleUpdate}}
	backsOff   = promise{"refused writes back off", []string{sim.RuleBackOff}}
	waits      = promise{"late is not lost", []string{sim.RuleWhole, sim.RuleHeal}}
	recovers   = promise{"a failing replica", []string{sim.RuleFailing}}
)

// rule is a safety rule that can be switched off.
type rule struct {
	name   string
	off    string // what the hub does without it
	why    string // the section of DESIGN.md
	recipe string // the faults that it is for
	mode   protocol.Failover
	breaks promise
	within uint64 // how many seeds are needed at most
	set    func(u *sim.Unsafe)
}

var rules = []rule{
	{"NoMargin", "trust lasts for the whole lease, without the margin", "leases", "a node is not heard", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NoMargin = true }},
	{"TrustFromAnswer", "trust counts from the answer to a renewal, not from before it was sent", "leases", "a node hears late, then is not heard", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.TrustFromAnswer = true }},
	{"DoorByTimer", "the door does not look at the lease, only a timer does", "leases", "a node hangs", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.Replica.DoorByTimer = true }},
	{"ShareOn", "a replica that is to be the only active one serves on beside those that were so with it", "planned changes the release rule", "replicas that are all active become one and its standbys", protocol.FailoverAuto, heals, 100, func(u *sim.Unsafe) { u.Replica.ShareOn = true }},
	{"SharedBefore", "an entry that has one replica active alone waits only for those that were active by the last one", "planned changes the release rule", "replicas that are all active become one and its standbys", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.SharedBefore = true }},
	{"KeepTrust", "trust outlives the connection", "evidence", "a newcomer knows the coordinator by an old record", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.KeepTrust = true }},
	{"NoContact", "trust needs no sign of life from the node's own server", "evidence", "a server gives up a node that hangs", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NoContact = true }},
	{"FromStrict", "a hub with `failover: strict` may get another one while it runs", "the-configuration", "the configuration changes while a node hangs", protocol.FailoverStrict, oneActive, 30, func(u *sim.Unsafe) { u.View.FromStrict = true }},
	{"SelfReconnect", "the client reconnects by itself, and nobody is told", "evidence", "a node has left the connection that its record names", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.SelfReconnect = true }},
	{"GrantAnyway", "leases are granted without authority", "leases", "the coordinator hangs", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.GrantAnyway = true }},
	{"AuthorityByGrants", "what it grants renews the coordinator's own authority", "leases", "the coordinator is cut off", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.AuthorityByGrants = true }},
	{"NoBacking", "the coordinator does not ask who stands behind it", "leases", "the coordinator is cut off", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.NoBacking = true }},
	{"PledgeFromArrival", "a pledge counts from its arrival, not from the answer that it speaks of", "leases", "the coordinator hangs", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.PledgeFromArrival = true }},
	{"PledgeToAnyone", "a pledge counts whoever it names", "leases", "the coordinator is cut off", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.PledgeToAnyone = true }},
	{"PledgeWithdrawn", "a member that has withdrawn pledges on", "leases", "the coordinator wakes and does not hear of its end", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.PledgeWithdrawn = true }},
	{"OldWithdrawals", "what a member withdrew in an earlier view counts", "leases", "members lose the coordinator one after the other", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.OldWithdrawals = true }},
	{"NoProposals", "views that may have been committed are not looked at", "leases", "the hub grows while its coordinator stops", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.NoProposals = true }},
	{"WithdrawEarly", "a member withdraws its pledge before a lease has passed", "leases", "the coordinator hangs for a moment, again and again", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.WithdrawEarly = true }},
	{"NoFence", "members are removed without a fence", "leases", "a node is cut off", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NoFence = true }},
	{"NoCoordinatorFence", "the coordinator is replaced without a fence", "leases", "the coordinator is cut off", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NoCoordinatorFence = true }},
	{"NoCompareRecords", "nodes' records are stored without compare-and-set", "leases", "a node is not heard", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.NoCompareRecords = true }},
	{"IgnoreFence", "an incarnation that was fenced goes on, and writes over the fence", "leases", "the coordinator comes back while it is replaced", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.IgnoreFence = true }},
	{"NoWait", "a fenced member is removed at once", "leases", "a node is not heard", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NoWait = true }},
	{"NoCoordinatorWait", "a fenced coordinator is replaced at once", "leases", "the coordinator is cut off", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.NoCoordinatorWait = true }},
	{"GrantFenced", "a node that is being removed is still granted its lease", "leases", "a node is heard while it is removed", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.GrantFenced = true }},
	{"FenceRenewsNothing", "renewals that a fence may hide are not counted", "leases", "the coordinator's name is taken in a hub of two", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.FenceRenewsNothing = true }},
	{"MissedFence", "renewals that another incarnation's record may hide are not counted", "leases", "the coordinator's name is taken in a hub of two", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.MissedFence = true }},
	{"KeyAnyway", "a record that is written over junk renews, although the junk may have hidden a fence", "records-in-doubt", "a fence is written over before its node reads it", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.KeyAnyway = true }},
	{"AnyMembership", "a lease counts that was granted after a departure that the node does not know of", "records-in-doubt", "a fence is written over before its node reads it", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.AnyMembership = true }},
	{"NotJustSeen", "a successor counts from the records, not from its takeover", "leases", "a node hangs when the coordinator dies", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NotJustSeen = true }},
	{"SilenceProves", "a server that does not answer proves that the connection is closed", "evidence", "a node is cut off", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.SilenceProves = true }},
	{"AnyServer", "any server's word counts, not only of the one that had the connection", "evidence", "a node is cut off", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.AnyServer = true }},
	{"StaleEvidence", "a successor takes a node's connection from an old record", "evidence", "a node has left the connection that its record names", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.StaleEvidence = true }},
	{"LateRecords", "a successor takes a node's connection from a record that arrives after its takeover", "evidence", "a node reconnects twice, and the coordinator dies", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.LateRecords = true }},
	{"NoConfirm", "a coordinator acts over a new connection before all members know of it", "evidence", "a newcomer knows the coordinator by an old record", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NoConfirm = true }},
	{"ConfirmKnown", "a coordinator acts over a new connection before those know of it whom a commit of unknown outcome may have made members", "evidence", "the coordinator goes astray while a node joins", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.ConfirmKnown = true }},
	{"HiddenRecords", "the coordinator's connections count as known although the record of another incarnation may hide its last one", "evidence", "the coordinator's name is taken in a hub of two", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.HiddenRecords = true }},
	{"HiddenRecords", "so they do although what somebody else wrote may hide it", "evidence", "the coordinator's record is overwritten in a hub of two", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.HiddenRecords = true }},
	{"NewcomersProve", "a newcomer takes the closing of the coordinator's connection as proof", "evidence", "the coordinator reconnects while a node joins", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NewcomersProve = true }},
	{"ConfirmFenced", "a member that fenced the coordinator still confirms its connection", "evidence", "the coordinator comes back while it is fenced", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.ConfirmFenced = true }},
	{"StrictTakesIt", "a closed connection is proof with `failover: strict`, too", "evidence", "a server closes the connection of a node that hangs", protocol.FailoverStrict, oneActive, 30, func(u *sim.Unsafe) { u.View.StrictTakesIt = true }},
	{"ReportProves", "a report of a closed connection is proof, whoever sent it", "evidence", "a node hangs", protocol.FailoverFast, oneActive, 100, func(u *sim.Unsafe) { u.View.ReportProves = true }},
	{"BelieveViews", "a view is obeyed whoever wrote it", "who-wrote-it", "somebody stores views in others' names", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.BelieveViews = true }},
	{"BelieveRecords", "a node's record is taken whoever wrote it", "who-wrote-it", "somebody stores records in others' names", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.BelieveRecords = true }},
	{"PutBack", "a record counts that its author wrote before others", "who-wrote-it", "the coordinator's former record is put back in a hub of two", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.PutBack = true }},
	{"BelieveBeats", "a heartbeat counts whoever signed it", "who-said-it", "somebody says that all is settled while a child moves", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.BelieveBeats = true }},
	{"OldBeats", "a heartbeat counts that was sent to an earlier coordinator", "who-said-it", "old heartbeats are sent again to a new coordinator", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.OldBeats = true }},
	{"BelieveAnswers", "the answer to a heartbeat counts whoever signed it", "who-said-it", "somebody answers heartbeats of a node that is cut off", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.BelieveAnswers = true }},
	{"OldAnswers", "so does the answer to another heartbeat", "who-said-it", "somebody answers heartbeats of a node that is cut off", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.OldAnswers = true }},
	{"BelieveReleases", "word that a node let go counts whoever signed it", "who-said-it", "somebody answers requests for release", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.BelieveReleases = true }},
	{"OldReleases", "so does the answer to another request", "who-said-it", "somebody answers requests for release", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.OldReleases = true }},
	{"AnyoneReleases", "whoever has a node's name may ask others to let go, or say that it did, not the member alone", "who-said-it", "somebody answers requests for release", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.AnyoneReleases = true }},
	{"NoCompareViews", "the view is stored without compare-and-set", "one-linear-history", "the coordinator is cut off", protocol.FailoverAuto, viewsGrow, 30, func(u *sim.Unsafe) { u.NoCompareViews = true }},
	{"GuessCommit", "a commit whose outcome is unknown is taken as done", "one-linear-history", "a commit's outcome is unknown", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.GuessCommit = true }},
	{"NoSince, ReuseNames", "an incarnation has what an earlier one of its name had, and is admitted at once", "modes-are-derived", "a node dies and comes back", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.NoSince, u.View.ReuseNames = true, true }},
	{"ForgetGone", "a view tells only of its own departures", "modes-are-derived", "a node dies and comes back", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.ForgetGone = true }},
	{"NoCompareSpecs", "specs are stored without compare-and-set", "one-linear-history", "a write takes effect late", protocol.FailoverAuto, kept, 300, func(u *sim.Unsafe) { u.NoCompareSpecs = true }},
	{"NoInherit", "a successor decides before it has read what its predecessors stored", "one-linear-history", "the coordinator dies, and its successor did not hear what it stored", protocol.FailoverAuto, kept, 100, func(u *sim.Unsafe) { u.View.NoInherit = true }},
	{"ActAnyway", "the coordinator commits and answers requests without authority", "one-linear-history", "the coordinator is cut off", protocol.FailoverAuto, kept, 300, func(u *sim.Unsafe) { u.View.ActAnyway = true }},
	{"UndoRead", "what somebody else did to a spec is undone by what was read before it", "one-linear-history", "somebody changes a spec again while that is undone", protocol.FailoverAuto, kept, 100, func(u *sim.Unsafe) { u.View.UndoRead = true }},
	{"AckEarly", "starts and stops are acknowledged before they are stored", "one-linear-history", "the coordinator stores something and dies", protocol.FailoverAuto, kept, 30, func(u *sim.Unsafe) { u.View.AckEarly = true }},
	{"ObeyLive", "a live record that looks like the next one is taken as stored", "one-linear-history", "somebody forges commits", protocol.FailoverAuto, oneActive, 300, func(u *sim.Unsafe) { u.View.ObeyLive = true }},
	{"AwaitHints", "a revision that somebody spoke of is waited for until it is read", "one-linear-history", "somebody forges commits", protocol.FailoverAuto, heals, 100, func(u *sim.Unsafe) { u.View.AwaitHints = true }},
	{"ObeyRecords, BelieveRecords", "a live record of a node is taken as stored, whatever it says and whoever wrote it", "one-linear-history", "somebody forges records of nodes", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.ObeyRecords, u.View.BelieveRecords = true, true }},
	{"FenceUnread, BelieveRecords", "a node is fenced over a record that was only heard, whoever wrote it", "one-linear-history", "a renewal is forged while its node reconnects", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.FenceUnread, u.View.BelieveRecords = true, true }},
	{"LateIsLost", "who was held up finds others silent who were not, and takes no late answer", "late-is-not-lost", "all stop, and go on", protocol.FailoverAuto, waits, 30, func(u *sim.Unsafe) { u.View.LateIsLost = true }},
	{"NumberByBuckets", "a coordinator's first number does not look at the clock", "one-linear-history", "a copy of the buckets is restored", protocol.FailoverAuto, epochsGrow, 30, func(u *sim.Unsafe) { u.View.NumberByBuckets = true }},
	{"NumberByBuckets", "so it is when the buckets are gone", "one-linear-history", "the buckets are lost", protocol.FailoverAuto, epochsGrow, 30, func(u *sim.Unsafe) { u.View.NumberByBuckets = true }},
	{"NoAsk", "a successor serves without asking those before it", "planned-changes-the-release-rule", "a child moves, and not all hear of it", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.Replica.NoAsk = true }},
	{"ReleaseServing", "a node answers that it let go before it has finished", "planned-changes-the-release-rule", "a child moves, and not all hear of it", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.ReleaseServing = true }},
	{"ReleaseUntrusted, ReleaseUnheard, AnyoneReleases", "a node that does not trust itself answers that it let go, by a view that it does not follow yet, and who is no member is believed", "planned-changes-the-release-rule", "a node is replaced by another process of its name", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.ReleaseUntrusted, u.ReleaseUnheard, u.AnyoneReleases = true, true, true }},
	{"ReleaseUnheard, ForgetRelease", "a node lets go by a view that it does not follow yet, and serves again by the entry that it had", "planned-changes-the-release-rule", "a child moves, and its node does not hear of it", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.ReleaseUnheard, u.Replica.ForgetRelease = true, true }},
	{"LetGoWorking", "a replica lets go before its worker has heard of it, and while its active work goes on", "planned-changes-the-release-rule", "a child moves while its worker works", protocol.FailoverAuto, oneWork, 30, func(u *sim.Unsafe) { u.Replica.LetGoWorking = true }},
	{"WorkUntrusted", "active work takes its time to end when its node loses its trust, as after a demotion", "leases", "a node is not heard while its worker works", protocol.FailoverAuto, oneWork, 30, func(u *sim.Unsafe) { u.WorkUntrusted = true }},
	{"DropAfter", "an entry forgets whom its active replica waits for before that one serves", "planned-changes-the-release-rule", "a child moves, and not all hear of it", protocol.FailoverAuto, oneActive, 100, func(u *sim.Unsafe) { u.View.DropAfter = true }},
	{"ReportFailing", "a node says that it gave a replica up while its handler still runs", "planned-changes-the-release-rule", "a replica is given up while its handler runs", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.Replica.ReportFailing = true }},
	{"ForgetGivenUp", "an active replica that was given up counts as one that served", "planned-changes-the-release-rule", "a move's target gives up while it waits", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.ForgetGivenUp = true }},
	{"StopsKeepGone", "an entry names a node that is gone for as long as its child is being stopped", "placement", "a worker takes long to stop, and another node comes back", protocol.FailoverAuto, heals, 30, func(u *sim.Unsafe) { u.View.StopsKeepGone = true }},
	{"EndedAnyway", "that a worker ended stops its child, whatever spec there is by now", "placement", "a temporary child ends and is started again", protocol.FailoverAuto, kept, 30, func(u *sim.Unsafe) { u.View.EndedAnyway = true }},
	{"GuessSub", "a subscription whose change failed is taken as unchanged", "requests", "subscriptions change, and nobody knows whether they did", protocol.FailoverAuto, heals, 30, func(u *sim.Unsafe) { u.Replica.GuessSub = true }},
	{"NoBackOff", "writes that NATS refuses are tried again at once", "bounds", "the storage is full", protocol.FailoverAuto, backsOff, 30, func(u *sim.Unsafe) { u.View.NoBackOff = true }},
	{"KeepFailing", "an active replica that keeps failing stays active", "placement", "a worker keeps failing on one node", protocol.FailoverAuto, recovers, 30, func(u *sim.Unsafe) { u.View.KeepFailing = true }},
	{"ReportsInPart", "what a node still waits for is not looked at in its report", "planned-changes-the-release-rule", "a child moves, and not all hear of it", protocol.FailoverAuto, oneActive, 30, func(u *sim.Unsafe) { u.View.ReportsInPart = true }},
}

func (r *rule) unsafe() sim.Unsafe {
	var u sim.Unsafe
	r.set(&u)
	return u
}

func (r *rule) plan(seed uint64) sim.Plan {
	i := slices.IndexFunc(sim.Recipes, func(x sim.Recipe) bool { return x.Name == r.recipe })
	return sim.Aimed(&sim.Recipes[i], seed, r.mode)
}

// misses reports whether a run without the rule breaks the promise that it keeps.
func (r *rule) misses(seed uint64) *sim.Violation {
	if v := sim.Run(r.plan(seed), r.unsafe(), 0).Violation; v != nil && slices.Contains(r.breaks.rules, v.Rule) {
		return v
	}
	return nil
}

// TestRules switches each rule off, and looks for a run that breaks what it is for.
func TestRules(t *testing.T) {
	t.Parallel()
	if *off != "" && !slices.ContainsFunc(rules, func(r rule) bool { return r.name == *off }) {
		t.Fatalf("-sim.off=%s: there is no such rule", *off)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(rules)); i = next.Add(1) - 1 {
				if r := &rules[i]; *off == "" || *off == r.name {
					r.test(t)
				}
			}
		})
	}
	wg.Wait()
}

func (r *rule) test(t *testing.T) {
	for seed := uint64(1); seed <= r.within; seed++ {
		v := r.misses(seed)
		if v == nil {
			continue
		}
		t.Logf("%-20s %3d %.150s", r.name, seed, v.Error())
		if *off != "" {
			t.Logf("\n%s", sim.Explain(r.plan(seed), r.unsafe(), *lines))
		}
		return
	}
	t.Errorf("without the rule %s, %d runs keep all promises", r.name, r.within)
}

const (
	docs  = "../../docs/simulation.md"
	begin = "<!-- rules -->\n"
	end   = "<!-- end of rules -->\n"
)

// TestRules_AreInTheDocs compares the table in the docs with the rules here. An option that has no row must be
// told of with the reason why no run misses it.
func TestRules_AreInTheDocs(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	found, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no table between %q and %q", docs, begin, end)
	}
	want := table()
	if names := untold(before + want + after); len(names) > 0 {
		t.Errorf("%s does not say what these are for: %v", docs, names)
	}
	if found == want {
		return
	}
	if !*rewrite {
		t.Fatalf("the table in %s differs from rules_test.go; write it with: go test ./internal/sim -run TestRules_AreInTheDocs -sim.rewrite", docs)
	}
	if err := os.WriteFile(docs, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// untold are the options that a text does not mention.
func untold(text string) []string {
	var names []string
	var u sim.Unsafe
	for _, v := range []reflect.Value{reflect.ValueOf(u), reflect.ValueOf(u.View), reflect.ValueOf(u.Replica)} {
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Type.Kind() == reflect.Bool && !strings.Contains(text, f.Name) {
				names = append(names, v.Type().String()+"."+f.Name)
			}
		}
	}
	return names
}

func table() string {
	var b strings.Builder
	b.WriteString("\n| rule | with it switched off | why it is there | aimed at by | breaks | within |\n|---|---|---|---|---|---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| `%s` | %s | [%s](../DESIGN.md#%s) | %s | %s | %d |\n", r.name, r.off, strings.ReplaceAll(r.why, "-", " "), r.why, r.recipe, r.breaks.name, r.within)
	}
	b.WriteString("\n")
	return b.String()
}
