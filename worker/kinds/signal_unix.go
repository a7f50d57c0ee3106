//go:build unix

package kinds

import "syscall"

// terminate asks the program and all that it started to end.
func (p *program) terminate() { p.signal(syscall.SIGTERM) }

// kill ends the program and all that it started.
func (p *program) kill() { p.signal(syscall.SIGKILL) }

// signal reaches the process group; that there is none any more is no error.
func (p *program) signal(s syscall.Signal) {
	select {
	case <-p.exited:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}
