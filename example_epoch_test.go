package phub_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/phub-io/phub"
)

// store is shared by all replicas and checks the epoch: it refuses a write whose epoch is lower than the
// highest it has seen for that key. A real one does both in one step, for example in SQL:
//
//	UPDATE accounts SET balance = $1, epoch = $2 WHERE id = $3 AND epoch <= $2
type store struct {
	mu   sync.Mutex
	rows map[string]row
}

type row struct {
	value string
	epoch uint64
}

func (s *store) put(key, value string, epoch uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch < s.rows[key].epoch {
		return fmt.Errorf("%q refused: a later epoch has written", value)
	}
	s.rows[key] = row{value, epoch}
	return nil
}

// account writes what it is sent to the store. A request "slow" stands for a process that freezes between
// the check of its role and the write: it ignores its context.
type account struct {
	*store
	frozen, thaw chan struct{}
	late         chan error
}

func (a *account) Handle(_ context.Context, m *phub.Message) ([]byte, error) {
	slow := string(m.Data) == "slow"
	if slow {
		close(a.frozen)
		<-a.thaw
	}
	err := a.put(m.Child, string(m.Data), m.Epoch) // the epoch of the request, not the present one
	if slow {
		a.late <- err
	}
	return nil, err
}

// A lease can't stop a process that freezes in the middle of a request, and writes when it wakes. A store
// that checks the epoch refuses that write.
func Example_storeThatChecksTheEpoch() {
	ctx, nc, end := exampleNATS()
	defer end()
	a := &account{&store{rows: map[string]row{}}, make(chan struct{}), make(chan struct{}), make(chan error, 1)}
	for _, name := range []string{"node1", "node2"} {
		node, err := phub.Join(ctx, phub.Options{
			Hub: "my_hub", Name: name, Dial: phub.DialLike(nc), Drain: 10 * time.Millisecond,
			Kinds: map[string]phub.Kind{"account": func(phub.Replica) (phub.Worker, error) { return a, nil }},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer node.Leave(ctx)
	}
	client, err := phub.NewClient(nc, "my_hub")
	if err != nil {
		fmt.Println(err)
		return
	}
	started, err := client.Start(ctx, []phub.Spec{{
		Child: "joe", Kind: "account", Redundancy: phub.Redundancy{Factor: 2, Model: phub.ActivePassive},
	}}, nil)
	if err != nil || started[0].Error != nil {
		fmt.Println(err, started)
		return
	}
	// The active replica freezes in a request. Another one takes over and writes.
	if err := nc.Publish("phub.my_hub.req.joe", []byte("slow")); err != nil {
		fmt.Println(err)
		return
	}
	<-a.frozen
	if _, err := client.Move(ctx, "joe", started[0].Replicas[1].Node); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.Request(ctx, "joe", []byte("fast")); err != nil {
		fmt.Println(err)
		return
	}
	// The first one wakes, and writes with the epoch of its request.
	close(a.thaw)
	fmt.Println(<-a.late)
	fmt.Println("stored:", a.rows["joe"].value)
	// Output:
	// "slow" refused: a later epoch has written
	// stored: fast
}
