package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

// listed is up to how many children are printed one by one.
const listed = 20

// report prints what became of children, and returns an error if anything is wrong with any of them. What
// the error says is not printed beside it.
func (a *app) report(verb string, results []phub.ChildResult, err error) error {
	return a.reportAs(verb, verb, results, err)
}

// reportAs does that where a child that runs nowhere any more was done something else to than the others.
func (a *app) reportAs(verb, gone string, results []phub.ChildResult, err error) error {
	if _, ok := errors.AsType[*phub.ChildrenError](err); ok {
		err = nil // the results say it
	}
	if a.json {
		if jsonErr := a.printJSON(reportJSON(results)); jsonErr != nil {
			return jsonErr
		}
	} else {
		a.reportText(verb, gone, results, err)
	}
	a.reportNotices(results)
	failed, silent := 0, 0
	for i := range results {
		failed += min(len(troubles(&results[i])), 1)
		if unanswered(&results[i], err) {
			silent++
		}
	}
	switch {
	case err != nil && silent < len(results):
		return fmt.Errorf("%s of %d not answered for: %w", plural(silent, "child", "children"), len(results), err)
	case err != nil:
		return err
	case failed > 0 && len(results) == 1:
		return hint{errors.New(strings.Join(troubles(&results[0]), "; ")), firstTry(results)}
	case failed > 0:
		return hint{fmt.Errorf("%s of %d not %s as asked", plural(failed, "child", "children"), len(results), verb), firstTry(results)}
	}
	return nil
}

// unanswered reports whether err is all that is known of a child.
func unanswered(r *phub.ChildResult, err error) bool {
	return err != nil && r.Error != nil && strings.HasSuffix(r.Error.Message, err.Error())
}

// reportJSON is the answer for programs: never null.
func reportJSON(results []phub.ChildResult) any {
	return struct {
		Results []phub.ChildResult `json:"results"`
	}{append([]phub.ChildResult{}, results...)}
}

// reportNotices says on stderr what whoever started children should know of them, of the first ones.
func (a *app) reportNotices(results []phub.ChildResult) {
	shown := 0
	for i := range results {
		for _, rep := range results[i].Replicas {
			if rep.Notice == "" {
				continue
			}
			if shown++; shown <= listed {
				a.warnf("phub: child %s: %s\n", results[i].Child, rep.Notice)
			}
			break
		}
	}
	if shown > listed {
		a.warnf("phub: … and %d more such children; phub child info shows each\n", shown-listed)
	}
}

func (a *app) reportText(verb, gone string, results []phub.ChildResult, err error) {
	perNode := map[string]int{}
	fine, replicas, shown := 0, 0, 0
	for i := range results {
		r := &results[i]
		for _, rep := range r.Replicas {
			if rep.State == protocol.Running {
				perNode[rep.Node]++
				replicas++
			}
		}
		wrong := troubles(r)
		fine += 1 - min(len(wrong), 1)
		if line := resultLine(gone, r); line != "" && len(results) <= listed {
			a.printf("%s\n", line)
		}
		if len(results) == 1 || unanswered(r, err) {
			continue // the error says it
		}
		for _, t := range wrong {
			if shown++; shown <= listed {
				a.printf("%s  %s\n", a.paint(red, r.Child), t)
			}
		}
	}
	if shown > listed {
		a.printf("… and %d more errors; --json shows them all\n", shown-listed)
	}
	if len(results) > listed {
		a.printf("%s %s%s\n", verb, plural(fine, "child", "children"), spread(replicas, perNode))
	}
}

// spread says how many replicas run on which node.
func spread(replicas int, perNode map[string]int) string {
	if replicas == 0 {
		return ""
	}
	var parts []string
	for _, node := range sortedKeys(perNode) {
		parts = append(parts, fmt.Sprintf("%s %d", node, perNode[node]))
	}
	return fmt.Sprintf(", %s: %s", plural(replicas, "replica", "replicas"), strings.Join(parts, ", "))
}

// resultLine shows where one child runs; of one that runs nowhere any more, as it should be, what was done;
// of one of which nothing but an error is known, nothing.
func resultLine(verb string, r *phub.ChildResult) string {
	var parts []string
	for _, rep := range r.Replicas {
		s := fmt.Sprintf("%s %s", rep.Node, rep.Mode)
		if rep.State != protocol.Running && rep.State != "" {
			s += " (" + string(rep.State) + ")"
		}
		parts = append(parts, s)
	}
	if r.Omitted > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", r.Omitted))
	}
	if r.Existed {
		parts = append(parts, "existed already")
	}
	switch {
	case len(parts) == 0 && r.Error == nil:
		parts = append(parts, verb)
	case len(parts) == 0:
		return ""
	}
	return r.Child + "  " + strings.Join(parts, ", ")
}

// troubles lists what is wrong with one child: each thing once, with the nodes on which it is so.
func troubles(r *phub.ChildResult) []string {
	var list, errs []string
	nodes := map[string][]string{} // by error
	summary := ""
	if r.Error != nil {
		summary = r.Error.Message
	}
	for _, rep := range r.Replicas {
		text := rep.Error
		if text == "" && rep.State == protocol.FailedAt {
			text = "the replica failed"
		}
		if text == "" {
			continue
		}
		if nodes[text] == nil {
			errs = append(errs, text)
		}
		nodes[text] = append(nodes[text], rep.Node)
		summary = strings.TrimSuffix(summary, fmt.Sprintf(" (%s: %s)", rep.Node, rep.Error)) // said below
	}
	if summary != "" {
		list = append(list, summary)
	}
	for _, text := range errs {
		list = append(list, strings.Join(nodes[text], ", ")+": "+text)
	}
	return list
}

// firstTry returns the first hint among the results.
func firstTry(results []phub.ChildResult) string {
	for i := range results {
		if e := results[i].Error; e != nil && e.Try != "" {
			return e.Try
		}
	}
	return "phub child info CHILD"
}
