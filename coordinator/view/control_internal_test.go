package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// newLeadTest returns a machine of node1 that coordinates a hub of its own, with child "a".
func newLeadTest() *Machine {
	m := newRecordsTest()
	spec := protocol.Spec{Child: "a", Kind: "echo"}.WithDefaults(protocol.Redundancy{})
	m.specs.caughtUp(0)
	m.specs.Loaded([]Record{{Bucket: protocol.ChildrenBucket, Key: "a", Value: encode(spec), Revision: 1}}, 1)
	m.history.Loaded([]Record{{Bucket: protocol.PlacementBucket, Key: protocol.ViewKey, Revision: 1, Value: encode(protocol.View{
		V: 1, Number: 1, Coordinator: m.self, Members: []protocol.Member{{Incarnation: m.self, Since: 1}}, Batch: 1, Nonce: "x", Time: "t",
	})}}, 1)
	m.lead = newLead()
	m.key.accepted, m.key.fresh = m.now.Mono, true
	return m
}

// maxAnswer is more than any answer to a request that asks for one thing has.
const maxAnswer = 8 << 10

// Each text that a request may hold, at a size that no name has, gets a clear answer of bounded size, and changes nothing.
func TestControl_TextsOfAnySize(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	fields := map[string][]string{
		protocol.VerbStart: {
			`{"children":[{"child":%s,"kind":"echo"}]}`, `{"children":[{"child":"b","kind":%s}]}`, `{"children":%s}`, `{"wait":%s}`, `%s`, `{"children":[%s]}`,
			`{"children":[{"child":"b","kind":"echo","args":{%s:"x"}}]}`, `{"children":[{"child":"b","kind":"echo","args":{"x":%s}}]}`,
			`{"children":[{"child":"b","kind":"echo","metadata":{%s:"x"}}]}`, `{"children":[{"child":"b","kind":"echo","metadata":{"tag":%s}}]}`,
			`{"children":[{"child":"b","kind":"echo","restart":{"policy":%s}}]}`, `{"children":[{"child":"b","kind":"echo","restart":{"max":%s}}]}`,
			`{"children":[{"child":"b","kind":"echo","restart":{"within":%s}}]}`, `{"children":[{"child":"b","kind":"echo","redundancy":%s}]}`,
			`{"children":[{"child":"b","kind":"echo","redundancy":{"strategy":%s}}]}`, `{"children":[{"child":"b","kind":"echo","redundancy":{"replication_factor":%s}}]}`,
			`{"children":[{"child":"b","kind":"echo","redundancy":{"replication_model":%s}}]}`, `{"children":[{"child":"b","kind":"echo","redundancy":{"redundancy_signal":%s}}]}`,
		},
		protocol.VerbStop: {`{"children":[%s]}`, `{"children":%s}`, `{"children":["a"],"wait":%s}`, `%s`},
		protocol.VerbMove: {`{"child":%s,"node":"node1"}`, `{"child":"a","node":%s}`, `{"child":"a","node":"node1","wait":%s}`, `%s`},
		protocol.VerbInfo: {`{"child":%s}`, `%s`},
		protocol.VerbList: {`{"filter":%s}`, `{"node":%s}`, `{"tag":%s}`, `{"after":%s}`, `{"limit":%s}`, `%s`},
		"nonsense":        {`%s`},
	}
	fields[strings.Repeat("v", 4000)] = []string{`%s`}
	for verb, requests := range fields {
		for _, r := range requests {
			for what, text := range map[string]string{
				"a text": `"` + strings.Repeat("x", 2<<20) + `"`, "dots": `"` + strings.Repeat("a.", 1<<17) + `"`,
				"a number": strings.Repeat("7", 1<<18), "no UTF-8": `"` + strings.Repeat("\xff", 1<<18) + `"`,
				"escapes": `"` + strings.Repeat(`\u0000`, 1<<16) + `"`, "junk": strings.Repeat("[", 1<<18), "braces": strings.Repeat(`{"a":`, 1<<16),
			} {
				answerTo(t, m, verb, fmt.Sprintf("%.60s of %s", r, what), []byte(strings.Replace(r, "%s", text, 1)))
			}
		}
	}
	if len(m.lead.desired.queue) > 0 || len(m.lead.placing.moves) > 0 {
		t.Errorf("something is to be changed: %d specs, %d moves", len(m.lead.desired.queue), len(m.lead.placing.moves))
	}
}

// answerTo gives the machine a request, and checks the answer: it is there, small, and says what is wrong.
func answerTo(t *testing.T, m *Machine, verb, what string, data []byte) {
	t.Helper()
	m.out = nil
	m.control(ControlReceived{ID: 1, Verb: verb, Data: data})
	m.now.Mono += maxWait + time.Second
	m.waitsDue() // answers what is refused child by child
	m.now.Mono -= maxWait + time.Second
	for _, a := range m.out {
		a, ok := a.(AnswerControl)
		if !ok {
			continue
		}
		answer, err := json.Marshal(a.Value)
		if err != nil {
			t.Errorf("%.20s %s: %v", verb, what, err)
		}
		size := len(answer)
		if a.Problem != nil {
			size += len(a.Problem.Error())
		}
		if size > maxAnswer {
			t.Errorf("%.20s %s: an answer of %d bytes: %.200s %.200v", verb, what, size, answer, a.Problem)
		}
		bad := a.Problem != nil && a.Problem.Code/100 == 4 || strings.Contains(string(answer), `"code":400`)
		if listed := verb == protocol.VerbList && a.Problem == nil; !bad && !listed {
			t.Errorf("%.20s %s: answered %.200s %.200v", verb, what, answer, a.Problem)
		}
		return
	}
	t.Errorf("%.20s %s: no answer", verb, what)
}
