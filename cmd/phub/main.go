// Command phub runs nodes of hubs, and starts, watches, moves and asks the children that run on them.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/phub-io/phub/internal/pid1"
)

func main() {
	if os.Getpid() == 1 && runtime.GOOS == "linux" {
		os.Exit(asFirst())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the command in order, a second one the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}, os.Getenv))
}

// asFirst is for process 1 of a container: it runs phub as a child, and takes in what that leaves behind.
func asFirst() int {
	self, err := os.Executable()
	code := 1
	if err == nil {
		code, err = pid1.Run(self, os.Args[1:]...)
	}
	if err != nil {
		printTo(os.Stderr, "phub: %s\n", err)
		return 1
	}
	return code
}
