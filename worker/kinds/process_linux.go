package kinds

import (
	"os/exec"
	"runtime"
	"syscall"
)

// own makes the program leader of a process group of its own, and has Linux kill it when the thread
// that starts it ends: so it never survives its node.
func own(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// pin keeps the goroutine on its thread until the returned function is called.
func pin() func() {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
