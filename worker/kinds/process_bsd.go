//go:build unix && !linux

package kinds

import (
	"os/exec"
	"syscall"
)

// own makes the program leader of a process group of its own.
func own(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// pin does nothing: only Linux ties a program to a thread.
func pin() func() { return func() {} }
