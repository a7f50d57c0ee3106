package view_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/phub-io/phub/coordinator/view"
)

// TestMachine_StoriesNeedTheirRules plays stories with a rule switched off that no run of the simulator misses: each
// comes out differently then, and where it says so, with two active replicas.
func TestMachine_StoriesNeedTheirRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, story string
		dual        bool
		set         func(*view.Unsafe)
	}{
		{"NoProposals", "coordinator_reconnect_unknown", true, func(u *view.Unsafe) { u.NoProposals = true }},
		{"ConfirmKnown", "coordinator_reconnect_unknown", true, func(u *view.Unsafe) { u.ConfirmKnown = true }},
		{"GrantFenced", "grant_fenced", true, func(u *view.Unsafe) { u.GrantFenced = true }},
		{"FenceRenewsNothing", "renewal_missed", true, func(u *view.Unsafe) { u.FenceRenewsNothing = true }},
		{"MissedFence", "fence_missed", true, func(u *view.Unsafe) { u.MissedFence = true }},
		{"HiddenRecords", "fence_missed_reconnect", true, func(u *view.Unsafe) { u.HiddenRecords = true }},
		{"NoContact", "server_gives_up", true, func(u *view.Unsafe) { u.NoContact = true }},
		{"ForgetGivenUp", "successor_gives_up", true, func(u *view.Unsafe) { u.ForgetGivenUp = true }},
		{"StaleEvidence", "evidence_of_a_missed_record", true, func(u *view.Unsafe) { u.StaleEvidence = true }},
		{"ObeyForeign", "junk", false, func(u *view.Unsafe) { u.ObeyForeign = true }},
		{"BelieveViews", "foreign_values", true, func(u *view.Unsafe) { u.BelieveViews = true }},
		{"BelieveRecords", "foreign_values", false, func(u *view.Unsafe) { u.BelieveRecords = true }},
		{"PutBack", "put_back", false, func(u *view.Unsafe) { u.PutBack = true }},
		{"TransferOnOne", "transfer_second_lost", true, func(u *view.Unsafe) { u.TransferOnOne = true }},
		{"OldFences", "fence_hidden", true, func(u *view.Unsafe) { u.OldFences = true }},
		{"VouchOverForeign", "view_hidden", false, func(u *view.Unsafe) { u.VouchOverForeign = true }},
		{"NumberByView", "history_replaced", false, func(u *view.Unsafe) { u.NumberByView = true }},
		{"NumberByBuckets", "epochs_lost", false, func(u *view.Unsafe) { u.NumberByBuckets = true }},
		{"NumberByBuckets", "epochs_restored", false, func(u *view.Unsafe) { u.NumberByBuckets = true }},
		{"AnyRead", "restored_while_it_runs", false, func(u *view.Unsafe) { u.AnyRead = true }},
		{"FoundAnyway", "history_replaced", false, func(u *view.Unsafe) { u.FoundAnyway = true }},
		{"UnknownBefore", "stop_start", false, func(u *view.Unsafe) { u.UnknownBefore = true }},
		{"LeadUnproven", "coordinator_hangs", false, func(u *view.Unsafe) { u.LeadUnproven = true }},
		{"NoRenewal", "undone_late", false, func(u *view.Unsafe) { u.NoRenewal = true }},
		{"ForgetOwn", "view_overwritten_at_once", false, func(u *view.Unsafe) { u.ForgetOwn = true }},
		{"TakeStored", "foreign_spec_successor", false, func(u *view.Unsafe) { u.TakeStored = true }},
		{"UnsureAnyway", "views_missed", false, func(u *view.Unsafe) { u.UnsureAnyway = true }},
		{"KeepMissed", "views_missed_by_entry", false, func(u *view.Unsafe) { u.KeepMissed = true }},
		{"OldView", "view_put_back", false, func(u *view.Unsafe) { u.OldView = true }},
		{"AnyHub", "neighbour", false, func(u *view.Unsafe) { u.AnyHub = true }},
		{"AnyHub", "hub_made_again", false, func(u *view.Unsafe) { u.AnyHub = true }},
		{"NoInherit", "history_replaced", false, func(u *view.Unsafe) { u.NoInherit = true }},
	} {
		w := newWorld()
		c.set(&w.unsafe)
		differs, dual := false, false
		datadriven.RunTest(t, filepath.Join("testdata", c.story+".txt"), func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			got := w.play(t, d)
			differs, dual = differs || got != d.Expected, dual || strings.Contains(got, "TWO ACTIVE")
			return d.Expected
		})
		if !differs || c.dual && !dual {
			t.Errorf("without the rule %s, the story %s differs: %t, has two active replicas: %t", c.rule, c.story, differs, dual)
		}
	}
}
