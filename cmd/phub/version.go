package main

import (
	"context"
	"runtime"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
)

// release is set by the linker: -X main.release=v1.2.3.
var release = ""

// version returns the version of this program: the linker's, or the library's.
func version() string {
	if release != "" {
		return release
	}
	return phub.Version
}

func (a *app) addVersion(cli *fisk.Application) {
	cli.Command("version", "Print the version (read-only)").Action(a.does(a.printVersion))
}

func (a *app) printVersion(context.Context) error {
	if a.json {
		return a.printJSON(map[string]string{"version": version(), "go": runtime.Version(), "platform": platform()})
	}
	return a.printLine(textf("phub %s (%s, %s)", version(), runtime.Version(), platform()))
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
