// Package pid1 does the duty of a container's first process. Linux hands every process whose parent has ended to the
// process with the number 1, which must wait for it when it ends; else it stays in the table of processes, as a zombie.
// Programs that a worker of kind exec starts may leave such processes behind, and an image with nothing but phub has no
// other init.
package pid1

import "fmt"

// Run starts a program, hands it this process's signals, waits for all processes that end meanwhile, and returns the
// program's exit code: 128 and the signal's number if one ended it. The process must not wait for processes elsewhere.
func Run(name string, args ...string) (int, error) {
	code, err := run(name, args)
	if err != nil {
		return 0, fmt.Errorf("run %s as the child of process 1: %w", name, err)
	}
	return code, nil
}
