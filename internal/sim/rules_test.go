package sim_test

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phub-io/phub/internal/sim"
)

var off = flag.String("sim.off", "", "look for a run that breaks a promise with this rule switched off")

type rule struct {
	name string
	seed uint64 // the first that shows what the rule is for; 0: not known
	off  func(u *sim.Unsafe)
}

var rules = []rule{
	{"trust-from-answer", 0, func(u *sim.Unsafe) { u.View.TrustFromAnswer = true }},
	{"no-margin", 0, func(u *sim.Unsafe) { u.View.NoMargin = true }},
	{"keep-trust", 22, func(u *sim.Unsafe) { u.View.KeepTrust = true }},
	{"grant-anyway", 40, func(u *sim.Unsafe) { u.View.GrantAnyway = true }},
	{"authority-by-grants", 0, func(u *sim.Unsafe) { u.View.AuthorityByGrants = true }},
	{"ignore-fence", 40, func(u *sim.Unsafe) { u.View.IgnoreFence = true }},
	{"take-behind", 0, func(u *sim.Unsafe) { u.View.TakeBehind = true }},
	{"act-anyway", 0, func(u *sim.Unsafe) { u.View.ActAnyway = true }},
	{"no-backing", 0, func(u *sim.Unsafe) { u.View.NoBacking = true }},
	{"withdraw-early", 0, func(u *sim.Unsafe) { u.View.WithdrawEarly = true }},
	{"pledge-withdrawn", 0, func(u *sim.Unsafe) { u.View.PledgeWithdrawn = true }},
	{"pledge-to-anyone", 0, func(u *sim.Unsafe) { u.View.PledgeToAnyone = true }},
	{"pledge-from-arrival", 0, func(u *sim.Unsafe) { u.View.PledgeFromArrival = true }},
	{"old-withdrawals", 0, func(u *sim.Unsafe) { u.View.OldWithdrawals = true }},
	{"no-proposals", 0, func(u *sim.Unsafe) { u.View.NoProposals = true }},
	{"no-fence", 1, func(u *sim.Unsafe) { u.View.NoFence = true }},
	{"no-coordinator-fence", 72, func(u *sim.Unsafe) { u.View.NoCoordinatorFence = true }},
	{"old-records", 0, func(u *sim.Unsafe) { u.View.OldRecords = true }},
	{"no-wait", 46, func(u *sim.Unsafe) { u.View.NoWait = true }},
	{"no-coordinator-wait", 76, func(u *sim.Unsafe) { u.View.NoCoordinatorWait = true }},
	{"grant-fenced", 0, func(u *sim.Unsafe) { u.View.GrantFenced = true }},
	{"not-just-seen", 0, func(u *sim.Unsafe) { u.View.NotJustSeen = true }},
	{"fence-renews-nothing", 0, func(u *sim.Unsafe) { u.View.FenceRenewsNothing = true }},
	{"missed-fence", 0, func(u *sim.Unsafe) { u.View.MissedFence = true }},
	{"lead-unproven", 0, func(u *sim.Unsafe) { u.View.LeadUnproven = true }},
	{"found-anyway", 0, func(u *sim.Unsafe) { u.View.FoundAnyway = true }},
	{"silence-proves", 50, func(u *sim.Unsafe) { u.View.SilenceProves = true }},
	{"strict-takes-it", 0, func(u *sim.Unsafe) { u.View.StrictTakesIt = true }},
	{"stale-evidence", 0, func(u *sim.Unsafe) { u.View.StaleEvidence = true }},
	{"no-confirm", 83, func(u *sim.Unsafe) { u.View.NoConfirm = true }},
	{"confirm-fenced", 0, func(u *sim.Unsafe) { u.View.ConfirmFenced = true }},
	{"newcomers-prove", 0, func(u *sim.Unsafe) { u.View.NewcomersProve = true }},
	{"report-proves", 259, func(u *sim.Unsafe) { u.View.ReportProves = true }},
	{"change-members", 0, func(u *sim.Unsafe) { u.View.ChangeMembers = true }},
	{"guess-commit", 4, func(u *sim.Unsafe) { u.View.GuessCommit = true }},
	{"obey-foreign", 0, func(u *sim.Unsafe) { u.View.ObeyForeign = true }},
	{"number-by-view", 0, func(u *sim.Unsafe) { u.View.NumberByView = true }},
	{"no-since", 6, func(u *sim.Unsafe) { u.View.NoSince = true }},
	{"reuse-names", 0, func(u *sim.Unsafe) { u.View.ReuseNames = true }},
	{"forget-gone", 0, func(u *sim.Unsafe) { u.View.ForgetGone = true }},
	{"ignore-holes", 2, func(u *sim.Unsafe) { u.View.IgnoreHoles = true }},
	{"old-reports", 0, func(u *sim.Unsafe) { u.View.OldReports = true }},
	{"reports-in-part", 1, func(u *sim.Unsafe) { u.View.ReportsInPart = true }},
	{"drop-after", 53, func(u *sim.Unsafe) { u.View.DropAfter = true }},
	{"unknown-before", 0, func(u *sim.Unsafe) { u.View.UnknownBefore = true }},
	{"no-inherit", 0, func(u *sim.Unsafe) { u.View.NoInherit = true }},
	{"ack-early", 1, func(u *sim.Unsafe) { u.View.AckEarly = true }},
	{"door-by-timer", 53, func(u *sim.Unsafe) { u.Replica.DoorByTimer = true }},
	{"no-ask", 1, func(u *sim.Unsafe) { u.Replica.NoAsk = true }},
	{"forget-release", 0, func(u *sim.Unsafe) { u.Replica.ForgetRelease = true }},
	{"any-release", 0, func(u *sim.Unsafe) { u.Replica.AnyRelease = true }},
	{"keep-tenure", 0, func(u *sim.Unsafe) { u.Replica.KeepTenure = true }},
	{"no-compare-views", 1, func(u *sim.Unsafe) { u.NoCompareViews = true }},
	{"no-compare-entries", 0, func(u *sim.Unsafe) { u.NoCompareEntries = true }},
	{"no-compare-specs", 0, func(u *sim.Unsafe) { u.NoCompareSpecs = true }},
	{"no-compare-records", 22, func(u *sim.Unsafe) { u.NoCompareRecords = true }},
	{"any-server", 15, func(u *sim.Unsafe) { u.AnyServer = true }},
	{"self-reconnect", 4, func(u *sim.Unsafe) { u.SelfReconnect = true }},
	{"release-untrusted", 0, func(u *sim.Unsafe) { u.ReleaseUntrusted = true }},
	{"release-serving", 1, func(u *sim.Unsafe) { u.ReleaseServing = true }},
}

func search(u sim.Unsafe, first, n uint64) (uint64, *sim.Violation) {
	var next atomic.Uint64
	next.Store(first)
	var mu sync.Mutex
	found, how := uint64(0), (*sim.Violation)(nil)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				s := next.Add(1) - 1
				mu.Lock()
				stop := s >= first+n || found != 0 && s > found
				mu.Unlock()
				if stop {
					return
				}
				if r := sim.Run(sim.PlanOf(s), u, 0); r.Violation != nil {
					mu.Lock()
					if found == 0 || s < found {
						found, how = s, r.Violation
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return found, how
}

// TestRules switches each rule off, and looks for a run that shows what it is for.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		if *off != "" && *off != r.name || *off == "" && r.seed == 0 {
			continue
		}
		var u sim.Unsafe
		r.off(&u)
		from := r.seed
		if *off != "" {
			from = *first
		}
		s, v := search(u, from, *seeds)
		if v == nil {
			t.Errorf("without the rule %s no promise is broken by seeds %d to %d", r.name, from, from+*seeds-1)
			continue
		}
		t.Logf("%-22s %5d %.160s", r.name, s, v.Error())
	}
}
