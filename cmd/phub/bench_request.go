package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

// benchRequest compares requests to an active replica with requests to a bare responder, each in a
// process of its own, in turns of one run.
type benchRequest struct {
	trial
	clients int
	rounds  int
}

const (
	benchSlice   = 250 * time.Millisecond // of each turn
	benchPayload = 128                    // bytes
)

func (a *app) addBenchRequest(group *fisk.CmdClause) {
	b := &benchRequest{trial: trial{app: a}}
	cmd := group.Command("request", "Compare requests to a replica with bare NATS").Action(a.does(b.run))
	cmd.HelpLong("Asks the active replica of a child of the kind echo, and a plain NATS responder in a process of its own, in " +
		"turns of 250 ms, each first in every other round, with 128 bytes; each client has a connection of its own and " +
		"one request under way. The replica's replies bear two headers that the bare ones lack. The ratio is that of " +
		"the rows above it; below stands how much it differed from round to round.")
	cmd.Flag("clients", "How many clients; default is 1").PlaceHolder("N").Default("1").Validator(isNumber).IntVar(&b.clients)
	cmd.Flag("rounds", "How many turns each; default is 20").PlaceHolder("N").Default("20").Validator(isNumber).IntVar(&b.rounds)
	b.embeddedFlag(cmd)
	subject := ""
	bare := group.Command("responder", "A plain NATS responder, until stdin ends").Hidden().
		Action(a.does(func(ctx context.Context) error { return a.respond(ctx, subject) }))
	bare.Arg("subject", "What to answer on").Required().StringVar(&subject)
}

// respond answers with what it is asked, as a plain NATS program does.
func (a *app) respond(ctx context.Context, subject string) error {
	nc, err := a.conn.connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.Subscribe(subject, echo); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { // ends with stdin, or with the process
		_, _ = io.Copy(io.Discard, a.in)
		close(ended)
	}()
	select {
	case <-ctx.Done():
	case <-ended:
	}
	return nil
}

// echo answers a message with what it holds.
func echo(m *nats.Msg) {
	if protocol.ValidateReply(m.Reply) == nil {
		_ = m.Respond(m.Data) // a lost answer is asked for again
	}
}

func (b *benchRequest) run(ctx context.Context) (err error) {
	if b.clients < 1 || b.clients > 1000 || b.rounds < 1 || b.rounds > 10_000 {
		return usagef("--clients, --rounds: found %d and %d, allowed are 1 to 1000 and 1 to 10000", b.clients, b.rounds)
	}
	if err := b.checkEmbedded(); err != nil {
		return err
	}
	b.hub = benchHub()
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.measure(ctx); err != nil {
		return b.blame(ctx, err)
	}
	return nil
}

func (b *benchRequest) measure(ctx context.Context) error {
	if err := b.bringUp(ctx, 2, 1); err != nil {
		return err
	}
	child, err := b.client.Info(ctx, "child1")
	if err != nil {
		return err
	}
	active, ok := b.running[nodesIn(phub.Active, child.Replicas)]
	if !ok {
		return fmt.Errorf("%s: no active replica on a node of bench", child.Child)
	}
	bare := b.hub + ".bare"
	if err := b.startOther("bare", active.server, "bench", "responder", bare); err != nil { // as far away as the replica
		return err
	}
	if err := b.answers(ctx, bare); err != nil {
		return err
	}
	return b.compare(ctx, protocol.SubjectsOf(b.hub).Request(child.Child), bare)
}

// answers waits until somebody answers on a subject.
func (b *benchRequest) answers(ctx context.Context, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, trialPatience)
	defer cancel()
	for {
		if _, err := b.nc.RequestWithContext(ctx, subject, nil); err == nil {
			return nil
		}
		if err := b.wait(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the bare responder: %w", err)
		}
	}
}

func (b *benchRequest) compare(ctx context.Context, replica, bare string) error {
	conns := make([]*nats.Conn, b.clients)
	for i := range conns {
		nc, err := b.connect(b.server(b.embedded - 1))
		if err != nil {
			return err
		}
		defer nc.Close()
		conns[i] = nc
	}
	turns, err := inTurns(b.rounds,
		func() (turn, error) { return ask(ctx, conns, replica, "the replica") },
		func() (turn, error) { return ask(ctx, conns, bare, "the bare responder") })
	if err != nil {
		return err
	}
	return b.show(newRequestReport(b.clients, turns[0], turns[1]))
}

// turn is how long each request took of one slice of time.
type turn []time.Duration

// inTurns has two asked, both once in each round, and returns the turns of each. Who goes first changes from
// round to round: a slice of time is not worth the same before and after the other's.
func inTurns(rounds int, replica, bare func() (turn, error)) (turns [2][]turn, err error) {
	both := [2]func() (turn, error){replica, bare}
	for i := range rounds {
		for j := range both {
			who := (i + j) % len(both)
			took, err := both[who]()
			if err != nil {
				return turns, err
			}
			turns[who] = append(turns[who], took)
		}
	}
	return turns, nil
}

// ask has each connection send one request after the other for a slice of time.
func ask(ctx context.Context, conns []*nats.Conn, subject, whom string) (turn, error) {
	took := make([]turn, len(conns))
	errs := make([]error, len(conns))
	end := time.Now().Add(benchSlice)
	var wg sync.WaitGroup
	for i, nc := range conns {
		wg.Go(func() {
			data := make([]byte, benchPayload)
			for began := time.Now(); began.Before(end) && errs[i] == nil; {
				_, errs[i] = nc.RequestWithContext(ctx, subject, data)
				now := time.Now()
				took[i] = append(took[i], now.Sub(began))
				began = now
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil { // the others' say the same
			return nil, fmt.Errorf("ask %s: %w", whom, err)
		}
	}
	return slices.Concat(took...), nil
}
