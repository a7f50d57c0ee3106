package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

func (a *app) addHubExport(parent *fisk.CmdClause) {
	cmd := parent.Command("export", "Print what the hub is to be, configuration and specs of children, as YAML, or with --json as JSON (read-only)").Action(a.does(a.asking(a.hubExport)))
	cmd.HelpLong("phub hub import reads it, also into a new hub. It does not have what runs where, nor what workers hold.")
}

func (a *app) hubExport(ctx context.Context, client *phub.Client) error {
	x, err := client.Export(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(x)
	}
	data, err := x.YAML()
	if err != nil {
		return hint{err, "--json"}
	}
	_, err = a.out.Write(data)
	return err
}

type hubImport struct {
	app     *app
	file    string
	replace bool
	dryRun  bool

	export *phub.Export // what the file says
}

func (a *app) addHubImport(parent *fisk.CmdClause) {
	c := &hubImport{app: a}
	cmd := parent.Command("import", "Make the hub what a file of phub hub export says").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.HelpLong("Children that the hub has not are started; what it has and is the same stays, and so do children that the file does not name. What differs is " +
		"an error, and then nothing is done, unless --replace says that it is to be changed. A setting that can't be changed while a hub runs is an error in any case: " +
		"start the hub's first node with it, or take it out of the file.")
	cmd.Arg("file", "File in YAML or JSON; - is stdin").Required().StringVar(&c.file)
	cmd.Flag("replace", "Change what differs").UnNegatableBoolVar(&c.replace)
	cmd.Flag("dry-run", "Say what would be done, and do nothing").UnNegatableBoolVar(&c.dryRun)
}

func (c *hubImport) check() (err error) {
	if c.file != stdinMark {
		if c.export, err = phub.ExportFromFile(c.file); err != nil {
			return usageError{err}
		}
		return nil
	}
	data, err := io.ReadAll(c.app.in)
	if err != nil {
		return fmt.Errorf("read stdin: %w", err)
	}
	if c.export, err = phub.ParseExport(data); err != nil {
		return usageError{fmt.Errorf("stdin: %w", err)}
	}
	return nil
}

func (c *hubImport) run(ctx context.Context, client *phub.Client) error {
	if c.dryRun {
		plan, err := client.PlanImport(ctx, c.export)
		if err != nil {
			return importHint(err)
		}
		return c.app.showImport(plan)
	}
	bar := c.app.progress("imported", len(c.export.Children))
	plan, done, err := client.Import(ctx, c.export, c.replace, bar.update)
	bar.end()
	if err != nil && len(done) == 0 {
		return importHint(err)
	}
	if err := c.app.report("imported", done, err); err != nil {
		return err
	}
	if !c.app.json {
		c.app.printf("%d started, %d changed, %d as they were; %d settings changed\n", len(plan.Start), len(plan.Change), plan.Same, len(plan.Set))
	}
	return nil
}

// importHint says what to try if a hub differs.
func importHint(err error) error {
	if errors.Is(err, phub.ErrDiffers) {
		return hint{err, "--dry-run, which shows all; --replace, to change it"}
	}
	if _, ok := errors.AsType[*protocol.FieldError](err); ok {
		return hint{err, "start the first node of a new hub with that setting, or take it out of the file"}
	}
	return err
}

func (a *app) showImport(plan *phub.ImportPlan) error {
	if a.json {
		return a.printJSON(plan)
	}
	for _, name := range plan.Set {
		a.printf("set     %s\n", name)
	}
	a.showChanges(plan.Start, plan.Change)
	a.printf("to start: %d, to change: %d, as they are: %d; settings to change: %d\n", len(plan.Start), len(plan.Change), plan.Same, len(plan.Set))
	return nil
}
