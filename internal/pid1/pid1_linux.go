package pid1

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

func run(name string, args []string) (int, error) {
	// Not locked to its thread, Linux could kill the program when that thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	defer signal.Stop(signals)
	c := exec.Command(name, args...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return 0, err
	}
	ended := make(chan syscall.WaitStatus, 1)
	go reap(c.Process.Pid, ended)
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGCHLD && s != syscall.SIGURG { // SIGURG is the Go runtime's own
				_ = syscall.Kill(c.Process.Pid, s.(syscall.Signal)) //nolint:forcetypeassert // always, on Linux
			}
		case status := <-ended:
			return exitCode(status), nil
		}
	}
}

// reap takes in all processes that end, until the program has. Nothing else in this process may wait for one.
func reap(program int, ended chan<- syscall.WaitStatus) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case pid == program && (status.Exited() || status.Signaled()):
			ended <- status
			return
		case errors.Is(err, syscall.ECHILD): // it can't be: the program is one
			return
		}
	}
}

// exitCode returns what a shell would say.
func exitCode(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
