package phub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub"
)

// hubOfTwo joins two nodes that run the kind, and starts one child with a replica on each. The first name that it
// returns is the active one's node. The function ends what it began.
func hubOfTwo(ctx context.Context, nc *nats.Conn, kind phub.Kind, spec phub.Spec) (*phub.Client, [2]string, func()) {
	var nodes []*phub.Node
	for _, name := range []string{"node1", "node2"} {
		node, err := phub.Join(ctx, phub.Options{Hub: "my_hub", Name: name, Dial: phub.DialLike(nc), Kinds: map[string]phub.Kind{spec.Kind: kind}})
		if err != nil {
			panic(err)
		}
		nodes = append(nodes, node)
	}
	client, err := phub.NewClient(nc, "my_hub")
	if err != nil {
		panic(err)
	}
	spec.Redundancy = phub.Redundancy{Factor: 2, Model: phub.ActivePassive}
	started, err := client.Start(ctx, []phub.Spec{spec}, nil)
	if err != nil || started[0].Error != nil {
		panic(fmt.Sprint(err, started))
	}
	return client, [2]string{started[0].Replicas[0].Node, started[0].Replicas[1].Node}, func() {
		for _, node := range nodes {
			_ = node.Leave(ctx)
		}
	}
}

// noRequests is a worker's handler for a child that gets none.
type noRequests struct{}

func (noRequests) Handle(context.Context, *phub.Message) ([]byte, error) {
	return nil, &phub.HandlerError{Code: 400, Message: "this child works in the background only"}
}

// migration does one thing once.
type migration struct {
	noRequests
	done chan<- string
}

func (m *migration) RunActive(ctx context.Context, _ uint64) error {
	for _, step := range []string{"add the column", "fill it", "drop the old one"} {
		select {
		case m.done <- step: // stands for what the step does
		case <-ctx.Done():
			return ctx.Err() // another replica begins anew: each step must stand being done again
		}
	}
	return nil // a normal end: with restart policy transient, the child is stopped
}

// A job that one replica in the hub does, once. If its node dies meanwhile, another one begins it again; when it is done, the
// child is stopped everywhere.
func Example_oneLeaderJob() {
	ctx, nc, end := exampleNATS()
	defer end()
	done := make(chan string)
	kind := func(phub.Replica) (phub.Worker, error) { return &migration{done: done}, nil }
	spec := phub.Spec{Child: "migration", Kind: "job", Restart: phub.Restart{Policy: phub.Transient}}
	client, _, leave := hubOfTwo(ctx, nc, kind, spec)
	defer leave()
	for range 3 {
		fmt.Println(<-done)
	}
	for {
		if _, err := client.Info(ctx, "migration"); err != nil {
			fmt.Println("the child is stopped")
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	// Output:
	// add the column
	// fill it
	// drop the old one
	// the child is stopped
}

// report does something at regular times. What it sends bears its epoch, so that whoever gets it can refuse an older one.
type report struct {
	noRequests
	node string
	sent chan<- string
}

func (r *report) RunActive(ctx context.Context, _ uint64) error {
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-every.C:
		case <-ctx.Done():
			return nil
		}
		if ctx.Err() != nil {
			return nil // both were ready, or this process was stopped for longer than its lease
		}
		select {
		case r.sent <- r.node:
		case <-ctx.Done():
			return nil
		}
	}
}

// A timer that runs once in the hub. A move is no gap and no overlap: the next one begins when the one before has returned.
func Example_cronSingleton() {
	ctx, nc, end := exampleNATS()
	defer end()
	sent := make(chan string)
	kind := func(r phub.Replica) (phub.Worker, error) { return &report{node: r.Node, sent: sent}, nil }
	client, nodes, leave := hubOfTwo(ctx, nc, kind, phub.Spec{Child: "report", Kind: "cron"})
	defer leave()
	fmt.Println("sent by the active one:", <-sent == nodes[0])
	moved := make(chan error, 1)
	go func() {
		_, err := client.Move(ctx, "report", nodes[1])
		moved <- err
	}()
	for <-sent == nodes[0] {
	}
	fmt.Println("and after the move never again:", <-moved == nil && <-sent == nodes[1] && <-sent == nodes[1])
	// Output:
	// sent by the active one: true
	// and after the move never again: true
}

// totals is what a partition's owner keeps: how far it has read, and what came of that.
type totals struct {
	Epoch uint64 // of the owner that wrote it
	Seq   uint64 // of the last message that is in it
	Sum   int
}

// partition is the owner of one partition of the orders. It reads them with a consumer of its own.
type partition struct {
	noRequests
	name  string
	js    jetstream.JetStream
	store jetstream.KeyValue
}

var errOtherOwner = errors.New("a later owner has the partition")

// claim makes this owner's epoch the one that may write. The store refuses those of earlier owners from then on.
func (p *partition) claim(ctx context.Context, epoch uint64) (totals, uint64, error) {
	var l totals
	e, err := p.store.Get(ctx, p.name)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		revision, err := p.store.Create(ctx, p.name, encode(totals{Epoch: epoch}))
		return l, revision, err
	case err != nil:
		return l, 0, err
	}
	if err := json.Unmarshal(e.Value(), &l); err != nil {
		return l, 0, err
	}
	if l.Epoch > epoch {
		return l, 0, errOtherOwner
	}
	l.Epoch = epoch
	revision, err := p.store.Update(ctx, p.name, encode(l), e.Revision())
	return l, revision, err
}

func encode(l totals) []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return b
}

// RunActive reads from where the owner before stopped. Each message and its effect are stored at once, by compare-and-set: so
// each counts once, and an owner that wakes too late changes nothing.
func (p *partition) RunActive(ctx context.Context, epoch uint64) error {
	l, revision, err := p.claim(ctx, epoch)
	if err != nil {
		return err
	}
	consumer, err := p.js.OrderedConsumer(ctx, "ORDERS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"orders." + p.name}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: l.Seq + 1,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		l.Seq, l.Sum = meta.Sequence.Stream, l.Sum+len(m.Data())
		if revision, err = p.store.Update(ctx, p.name, encode(l), revision); err != nil {
			return err // of a later owner, or unknown: RunActive is called again, and reads what is stored
		}
	}
}

// Each partition of a stream has one owner, which reads it with a pull consumer of its own. The store checks the epoch,
// because a lease can't stop a process that freezes between reading and writing.
func Example_partitionOwner() {
	ctx, nc, end := exampleNATS()
	defer end()
	js, err := jetstream.New(nc)
	if err != nil {
		panic(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
		panic(err)
	}
	store, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "ledgers"})
	if err != nil {
		panic(err)
	}
	kind := func(r phub.Replica) (phub.Worker, error) { return &partition{name: r.Child, js: js, store: store}, nil }
	client, nodes, leave := hubOfTwo(ctx, nc, kind, phub.Spec{Child: "p0", Kind: "partition"})
	defer leave()
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for range 200 {
			if _, err := js.Publish(ctx, "orders.p0", []byte("12345")); err != nil {
				panic(err)
			}
		}
	})
	if _, err := client.Move(ctx, "p0", nodes[1]); err != nil {
		panic(err)
	}
	publishing.Wait()
	var l totals
	for l.Seq < 200 {
		time.Sleep(10 * time.Millisecond)
		e, err := store.Get(ctx, "p0")
		if err != nil {
			panic(err)
		}
		if err := json.Unmarshal(e.Value(), &l); err != nil {
			panic(err)
		}
	}
	// The first owner wakes, and would write with its old epoch.
	_, _, err = (&partition{name: "p0", js: js, store: store}).claim(ctx, 1)
	fmt.Println("each of 200 orders counted once:", l.Sum == 200*5)
	fmt.Println("the first owner:", err)
	// Output:
	// each of 200 orders counted once: true
	// the first owner: a later owner has the partition
}
