package view_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// TestMachine_Scenarios runs the stories of testdata: a small world with a few nodes, in which nothing
// takes time and everything is done at once, but for what the story says. Each line of the answer is
// what one machine wants done, with the time since the story began; heartbeats, probes, reads and
// renewals are left out, unless "trace on" was said.
func TestMachine_Scenarios(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, w.play)
	})
}

// play does what a line of a story says, and returns what came of it.
func (w *world) play(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	w.out.Reset()
	if err := w.command(d); err != nil {
		t.Errorf("%s: %s: %v", d.Pos, d.Cmd, err)
	}
	w.settle()
	w.check()
	if w.out.Len() == 0 {
		return "ok\n"
	}
	return w.out.String()
}

// command does what a line of a story says.
func (w *world) command(d *datadriven.TestData) error {
	name := first(d)
	switch d.Cmd {
	case "hub":
		return w.hub(d)
	case "join":
		return w.join(d)
	case "tick":
		return w.tick(name)
	case "trace":
		w.trace = name == "on"
	case "show":
		return w.show(name)
	case "evidence":
		w.silent = name == "silent"
	case "access":
		w.access = name == "on"
	case "report": // somebody says that a connection is closed: report NODE OF
		p, of := w.nodes[name], w.nodes[d.CmdArgs[1].Key]
		p.hears(view.ConnReported{Conn: *of.conn})
	case "stall", "resume", "slow", "answer", "put", "put-back", "delete", "purge", "wipe":
		return w.bucketCommand(d, protocol.Bucket(name))
	case "copy": // of all buckets
		w.copy = w.store.clone()
	case "restore":
		w.store = w.copy.clone()
	case "clock":
		return w.setClock(d)
	case "forge":
		return w.forge(d)
	case "start", "update", "stop", "move", "ask":
		return w.request(d)
	case "get-ready", "hold", "linger", "fail", "finish", "restart":
		return w.localCommand(d)
	default:
		p := w.nodes[name]
		if p == nil {
			return fmt.Errorf("no node %q, or no such command", name)
		}
		return w.nodeCommand(d, p)
	}
	return nil
}

// hub makes one of some nodes that have been there for a while, and shows nothing of that.
func (w *world) hub(d *datadriven.TestData) error {
	n, err := strconv.Atoi(first(d))
	cfg := view.Config{}
	switch {
	case d.HasArg("fast"):
		cfg.Want.Failover, w.access = protocol.FailoverFast, true
	case d.HasArg("strict"):
		cfg.Want.Failover = protocol.FailoverStrict
	case d.HasArg("tidy"): // with records of nodes that are gone taken away soon
		cfg.GoneAfter = 10 * time.Second
	case d.HasArg("unbalanced"):
		cfg.Want.Balance = protocol.BalanceOff
	case d.HasArg("patient"): // with a lease that is longer than servers wait for their clients
		cfg.Want.Lease = protocol.Duration(7 * time.Second)
	}
	for i := range n {
		cfg.Node = "node" + strconv.Itoa(i+1)
		p := newProcess(w, cfg)
		w.nodes[p.name] = p
		p.connect()
		w.settle()
	}
	w.pass(3 * time.Second)
	w.out.Reset()
	return err
}

func (w *world) join(d *datadriven.TestData) error {
	cfg, elsewhere, apart := view.Config{Node: first(d), Labels: map[string]string{}}, false, false
	for _, a := range d.CmdArgs[1:] {
		v := strings.Join(a.Vals, "")
		switch a.Key {
		case "zone":
			cfg.Labels["zone"] = v
		case "kinds": // NAME+NAME
			cfg.Kinds = strings.Split(v, "+")
		case "elsewhere": // its buckets are in another JetStream domain
			elsewhere = true
		case "apart": // as the command of that name says, from the beginning
			apart = true
		case "failover":
			cfg.Want.Failover = protocol.Failover(v)
		case "lease":
			l, err := time.ParseDuration(v)
			if err != nil {
				return err
			}
			cfg.Want.Lease = protocol.Duration(l)
		default:
			return fmt.Errorf("argument %q", a.Key)
		}
	}
	p := newProcess(w, cfg)
	p.apart, p.elsewhere = apart, elsewhere
	if old := w.nodes[p.name]; old != nil {
		w.nodes[p.name+"(old)"] = old // two processes of one name
	}
	w.nodes[p.name] = p
	p.connect()
	return nil
}

func (w *world) tick(d string) error {
	for len(w.queue) > 0 {
		w.settle()
	}
	t, err := time.ParseDuration(d)
	w.pass(t)
	return err
}

// nodeCommand is what happens to a process or its connection.
func (w *world) nodeCommand(d *datadriven.TestData, p *process) error {
	switch d.Cmd {
	case "kill": // its connection is seen to be closed
		conn, second := *p.conn, p.second
		w.end(p)
		w.shut(conn)
		if second != nil {
			w.shut(*second)
		}
	case "lose": // with its machine: the servers see nothing
		w.end(p)
	case "freeze":
		p.frozen = true
	case "wake":
		p.frozen = false
		if len(d.CmdArgs) > 1 { // "tick-first": before it looks into its inbox
			p.step(view.Tick{})
		}
		for _, do := range p.missed {
			w.soon(do)
		}
		p.missed = nil
	case "cut":
		p.cut = true
	case "mend":
		p.cut = false
		if p.kicked {
			p.disconnect()
		}
	case "apart":
		p.apart = true
	case "together":
		p.apart = false
	case "unfed":
		p.unfed = true
	case "fed":
		p.unfed = false
	case "give-up": // its server closes the connection of a process that hangs
		w.shut(*p.conn)
		p.run(p.disconnect)
	case "disconnect":
		p.disconnect()
	case "reconnect":
		p.connect()
	case "beside": // it opens a second connection, to go there
		p.openSecond()
	case "carried": // its running side has gone there
		p.gets(view.Carried{})
	case "give-up-second": // the server of the second connection gives it up, and the process does not hear of that
		w.shut(*p.second)
	case "drain": // it is going to leave; "ask drain" asks the coordinator to drain a node that stays
		p.gets(view.Drain{})
	case "leave":
		p.local.reset() // the running side stops first
		p.gets(view.Leave{})
	case "deaf":
		n, err := strconv.Atoi(d.CmdArgs[1].Key)
		p.deaf = n
		return err
	default:
		return fmt.Errorf("no such command")
	}
	return nil
}

// end takes a process away.
func (w *world) end(p *process) {
	p.conn, p.lead = nil, false
	p.session++
	for name, x := range w.nodes {
		if x == p {
			delete(w.nodes, name)
		}
	}
}

// bucketCommand is what happens to a bucket.
func (w *world) bucketCommand(d *datadriven.TestData, b protocol.Bucket) error {
	if w.store.keys[b] == nil {
		return fmt.Errorf("no bucket %q", b)
	}
	switch d.Cmd {
	case "stall":
		w.stall[b] = []func(){}
	case "resume":
		waiting := w.stall[b]
		delete(w.stall, b)
		for _, do := range waiting {
			w.soon(do)
		}
	case "slow": // slow BUCKET TIME: so long each write takes
		t, err := time.ParseDuration(d.CmdArgs[1].Key)
		w.slow[b] = t
		return err
	case "answer": // "lost": stored, but nobody learns of it; "never": not even stored
		w.acks[b] = append(w.acks[b], d.CmdArgs[1].Key)
	case "put": // by=INCARNATION: signed by it; next: only after what is stalled
		x := view.Write{Key: d.CmdArgs[1].Key, Value: []byte(d.Input)}
		if len(d.CmdArgs) > 2 && d.CmdArgs[2].Key == "by" {
			x.Value = signed(x.Value, d.CmdArgs[2].Vals[0])
		}
		w.change(d, b, x)
	case "put-back": // what stood under a key at a revision: put-back BUCKET REVISION [times=N], one each 100 ms
		return w.putBack(b, d)
	case "delete": // next: as with put
		w.change(d, b, view.Write{Key: d.CmdArgs[1].Key, Delete: true})
	case "purge": // not even a marker is left, and nobody is told
		delete(w.store.keys[b], d.CmdArgs[1].Key)
	case "wipe":
		w.store.wipe(b)
	}
	return nil
}

// change has somebody write to a bucket: at once, or when all that is stalled is done.
func (w *world) change(d *datadriven.TestData, b protocol.Bucket, x view.Write) {
	do := func() { w.put(x, b) }
	if d.HasArg("next") {
		w.stall[b] = append(w.stall[b], do)
		return
	}
	do()
}

// forge has somebody publish what looks like a stored record: forge NODE|all BUCKET KEY REVISION, or +N for so many after the
// bucket's last one.
func (w *world) forge(d *datadriven.TestData) error {
	r := view.Record{Bucket: protocol.Bucket(d.CmdArgs[1].Key), Key: d.CmdArgs[2].Key, Value: []byte(d.Input)}
	number, ahead := strings.CutPrefix(d.CmdArgs[3].Key, "+")
	revision, err := strconv.ParseUint(number, 10, 64)
	if r.Revision = revision; ahead {
		r.Revision += w.store.last[r.Bucket]
	}
	for _, n := range w.names() {
		if n == first(d) || first(d) == "all" {
			w.nodes[n].hears(view.RecordStored{Record: r})
		}
	}
	return err
}

// localCommand is what happens to a replica: fail NODE CHILD ERROR, and so on.
func (w *world) localCommand(d *datadriven.TestData) error {
	p, child := w.nodes[first(d)], d.CmdArgs[1].Key
	switch {
	case p == nil:
		return fmt.Errorf("no node %q", first(d))
	case d.Cmd == "hold":
		p.local.held = map[string]bool{child: true}
	case d.Cmd == "linger":
		p.local.linger = map[string]bool{child: true}
	case d.Cmd == "get-ready":
		delete(p.local.held, child)
		delete(p.local.ending, child)
	case d.Cmd == "restart": // so often, for that reason: restart NODE CHILD TIMES ERROR
		n, err := strconv.Atoi(d.CmdArgs[2].Key)
		if err != nil {
			return err
		}
		p.local.ended[child] = protocol.Restarted{Child: child, Restarts: p.local.ended[child].Restarts + n, Error: d.CmdArgs[3].Key}
	default:
		f := protocol.Failed{Child: child, View: p.local.told[child].View, Ended: d.Cmd == "finish"}
		if !f.Ended {
			f.Error = d.CmdArgs[2].Key
		}
		p.local.failed = append(p.local.failed, f)
	}
	w.soon(func() {})
	return nil
}

// request sends a control request to the coordinator.
func (w *world) request(d *datadriven.TestData) error {
	verb, body, err := requestOf(d)
	if err != nil {
		return err
	}
	for _, n := range w.names() {
		if p := w.nodes[n]; p.lead {
			w.ask++
			p.asks[w.ask] = verb
			p.hears(view.ControlReceived{ID: w.ask, Verb: verb, Data: body})
			return nil
		}
	}
	w.log("world", "nobody listens")
	return nil
}

func requestOf(d *datadriven.TestData) (string, []byte, error) {
	var args, children []string
	options := map[string]string{}
	for _, a := range d.CmdArgs {
		if len(a.Vals) > 0 {
			options[a.Key] = a.Vals[0]
		} else {
			args = append(args, a.Key)
		}
	}
	if len(args) > 0 {
		children = many(args[0])
	}
	wait, err := time.ParseDuration(options["wait"])
	if options["wait"] == "" {
		wait, err = 0, nil
	}
	switch d.Cmd {
	case "start":
		r := protocol.StartRequest{Wait: protocol.Duration(wait)}
		for _, c := range children {
			s, bad := specOf(c, options)
			r.Children, err = append(r.Children, s), bad
		}
		return protocol.VerbStart, encode(r), err
	case "update":
		r := protocol.UpdateRequest{Wait: protocol.Duration(wait)}
		for _, c := range children {
			s, bad := specOf(c, options)
			rev, _ := strconv.ParseUint(options["revision"], 10, 64)
			r.Children, err = append(r.Children, protocol.Update{Spec: s, Revision: rev}), bad
		}
		return protocol.VerbUpdate, encode(r), err
	case "stop":
		return protocol.VerbStop, encode(protocol.StopRequest{Children: children, Wait: protocol.Duration(wait)}), err
	case "move":
		return protocol.VerbMove, encode(protocol.MoveRequest{Child: args[0], Node: args[1], Wait: protocol.Duration(wait)}), err
	}
	return args[0], []byte(d.Input), err
}

func specOf(child string, options map[string]string) (protocol.Spec, error) {
	s := protocol.Spec{Child: child, Kind: "echo"}
	if k := options["kind"]; k != "" {
		s.Kind = k
	}
	if a := options["arg"]; a != "" {
		s.Args = map[string]string{"a": a}
	}
	s.Restart.Policy = protocol.RestartPolicy(options["restart"])
	s.Redundancy.Model = protocol.Model(options["model"])
	if f := options["replicas"]; f != "" {
		n, err := protocol.ParseFactor(f)
		s.Redundancy.Factor = n
		return s, err
	}
	return s, nil
}

// many makes c1 … c12 of "c*12".
func many(name string) []string {
	base, n, ok := strings.Cut(name, "*")
	count, err := strconv.Atoi(n)
	if !ok || err != nil {
		return []string{name}
	}
	names := make([]string, count)
	for i := range names {
		names[i] = base + strconv.Itoa(i+1)
	}
	return names
}

func first(d *datadriven.TestData) string {
	if len(d.CmdArgs) == 0 {
		return ""
	}
	return d.CmdArgs[0].Key
}

func (w *world) evidence(c protocol.Conn) view.Evidence {
	if w.silent {
		return view.Unknown
	}
	if w.open[c] {
		return view.Open
	}
	return view.Closed
}

// answered shows the answer to a control request.
func (w *world) answered(p *process, a view.AnswerControl) {
	verb := p.asks[a.IDs[0]]
	for _, id := range a.IDs {
		delete(p.asks, id)
	}
	if n := len(a.IDs); n > 1 {
		w.log(p.name, "%d requests to %s get one answer", n, verb)
	}
	if a.Problem != nil {
		w.log(p.name, "%s answered: %v", verb, a.Problem)
	}
	switch v := a.Value.(type) {
	case protocol.StartResponse:
		w.results(p, verb, v.Results)
	case protocol.UpdateResponse:
		w.results(p, verb, v.Results)
	case protocol.StopResponse:
		w.results(p, verb, v.Results)
	case protocol.ChildResult:
		w.results(p, verb, []protocol.ChildResult{v})
	case nil:
	default:
		w.log(p.name, "%s answered: %s", verb, encode(v))
	}
}

func (w *world) results(p *process, verb string, results []protocol.ChildResult) {
	for i, r := range results {
		if i == 3 && len(results) > 4 {
			w.log(p.name, "%s answered: and %d more", verb, len(results)-i)
			return
		}
		var parts []string
		for _, s := range r.Replicas {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s epoch %d %s %s", s.Node, s.Mode, s.Epoch, s.State, s.Error)))
		}
		slices.Sort(parts)
		if r.Existed {
			parts = append(parts, "it existed")
		}
		if r.Error != nil {
			parts = append(parts, "error: "+r.Error.Error())
		}
		w.log(p.name, "%s answered: %s: %s", verb, r.Child, strings.Join(parts, "; "))
	}
}
