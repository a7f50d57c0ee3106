//go:build !unix

package kinds

import "os/exec"

// own does nothing: there are no process groups.
func own(*exec.Cmd) {}

// pin does nothing: only Linux ties a program to a thread.
func pin() func() { return func() {} }

// terminate ends the program; there is nothing gentler.
func (p *program) terminate() { p.kill() }

// kill ends the program; that it ended already is no error.
func (p *program) kill() { _ = p.cmd.Process.Kill() }
