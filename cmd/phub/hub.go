package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
)

func (a *app) addHub(cli *fisk.Application) {
	hub := cli.Command("hub", "List hubs, show and change their configuration, save, restore and remove them").Alias("hubs")
	hub.Command("ls", "List the hubs in this NATS system (read-only)").Alias("list").Action(a.does(a.hubLs))
	hub.Command("info", "Show the configuration of the hub (read-only)").Alias("view").Action(a.does(a.asking(a.hubInfo)))
	hub.Command("watch", "Print modes, placements, views and events as they happen (read-only)").
		Action(a.does(a.watching(func(*phub.Change) bool { return true })))
	a.addHubSet(hub)
	a.addHubExport(hub)
	a.addHubImport(hub)
	a.addHubRm(hub)
}

// hubLine is one hub of the list.
type hubLine struct {
	Hub      string `json:"hub"`
	Served   bool   `json:"served"` // some node answers
	Nodes    int    `json:"nodes"`
	Children int    `json:"children"`
	View     uint64 `json:"view"`
	Error    string `json:"error,omitempty"`
}

func (a *app) hubLs(ctx context.Context) error {
	domain, err := a.conn.domain()
	if err != nil {
		return err
	}
	ctx, cancel := a.deadline(ctx)
	defer cancel()
	nc, err := a.conn.connect(nats.ErrorHandler(a.asyncError), before(ctx))
	if err != nil {
		return err
	}
	defer nc.Close()
	names, err := phub.Hubs(ctx, nc, domain)
	if err != nil {
		return err
	}
	lines := make([]hubLine, len(names))
	for i, name := range names {
		client, err := phub.NewClient(nc, name)
		if err != nil {
			return err
		}
		lines[i] = askHub(ctx, client)
	}
	if a.json {
		return a.printJSON(lines)
	}
	a.hubTable(lines)
	return nil
}

// askHub asks one hub for its status; that it does not answer is part of the list, not an error.
func askHub(ctx context.Context, client *phub.Client) hubLine {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	st, err := client.Status(ctx)
	if err != nil {
		return hubLine{Hub: client.Hub(), Error: err.Error()}
	}
	return hubLine{Hub: client.Hub(), Served: true, Nodes: st.Nodes, Children: st.Children, View: st.View}
}

func (a *app) hubTable(lines []hubLine) {
	if len(lines) == 0 {
		a.printf("No hubs.\n")
		return
	}
	t := newTable("HUB", "NODES", "CHILDREN", "VIEW", "")
	for _, l := range lines {
		if !l.Served {
			t.add(l.Hub, a.paint(yellow, "none"), "-", "-", "no node answers")
			continue
		}
		t.add(l.Hub, fmt.Sprint(l.Nodes), fmt.Sprint(l.Children), fmt.Sprint(l.View), "")
	}
	t.print(a.out)
}

func (a *app) hubInfo(ctx context.Context, client *phub.Client) error {
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(st)
	}
	c := &st.Config
	t := &table{}
	t.add("Hub", st.Hub)
	t.add("ID", dash(c.ID))
	t.add("Domain", dash(st.Domain))
	t.add("Redundancy", redundancyText(c.Redundancy))
	t.add("Heartbeat", c.Heartbeat.Std().String())
	t.add("Lease", c.Lease.Std().String())
	t.add("Authority", c.Authority.Std().String())
	t.add("Probe", c.Probe.Std().String())
	t.add("Failover", string(c.Failover))
	t.add("Balance", string(c.Balance))
	t.add("Changed", dash(strings.Join(sortedKeys(c.Set), ", ")))
	t.add("Coordinator", fmt.Sprintf("%s (%s)", dash(st.Coordinator.Node), dash(st.Coordinator.ID)))
	t.add("View", fmt.Sprint(st.View))
	t.print(a.out)
	return nil
}
