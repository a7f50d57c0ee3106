package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// nodeProcess is a node that runs as a process of its own: this program, called again.
type nodeProcess struct {
	name   string
	server string // which it was told to connect to; "" if its flags and environment say it
	cmd    *exec.Cmd
	stdin  io.Closer
	log    *tail
	struck bool          // it was killed here, and did not end by itself
	done   chan struct{} // closed when the process has ended
	err    error         // how it ended; read it after done
}

// startNode starts a node of a hub.
func startNode(name, hub, server string, flags, env []string, log io.Writer) (*nodeProcess, error) {
	return startSelf(name, []string{"node", "run", "--with-parent", "--hub", hub, "--name", name}, server, flags, env, log)
}

// startSelf calls this program again, as a process that ends when this one does, whatever way: its
// stdin closes. Of the environment it gets no setting of NATS or phub but env.
func startSelf(name string, command []string, server string, flags, env []string, log io.Writer) (*nodeProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program to run it as %s: %w", name, err)
	}
	args := append(command, flags...)
	if server != "" {
		args = append(args, "--no-context", "--server", server)
	}
	p := &nodeProcess{name: name, server: server, cmd: exec.Command(program, args...), log: &tail{also: log}, done: make(chan struct{})}
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "NATS_") || strings.HasPrefix(v, "PHUB_")
	})
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = p.log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { // ends with the process, which kill and stop wait for
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *nodeProcess) pid() int { return p.cmd.Process.Pid }

// kill ends the process as kill -9 does.
func (p *nodeProcess) kill() error {
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: it had ended already: %s", p.name, p.log)
	}
	p.struck = err == nil
	return err
}

// killed reports whether the process ended by a signal, whoever sent it. Call it after done.
func (p *nodeProcess) killed() bool { return p.cmd.ProcessState.ExitCode() == -1 }

// hang stops the process without an end, as SIGSTOP does.
func (p *nodeProcess) hang() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// wake lets a stopped process go on.
func (p *nodeProcess) wake() error {
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// stopTime is how long a node may take to leave in order.
const stopTime = 5 * time.Second

// stop lets the node leave, and kills it if that takes too long. It may be called repeatedly.
func (p *nodeProcess) stop() {
	_ = p.stdin.Close() // an error says that it is closed already
	select {
	case <-p.done:
	case <-time.After(stopTime):
		_ = p.kill() // an error says that it has just ended
		<-p.done
	}
}

// stopAll stops processes together.
func stopAll(nodes []*nodeProcess) {
	var wg sync.WaitGroup
	for _, n := range nodes {
		if n != nil {
			wg.Go(n.stop)
		}
	}
	wg.Wait()
}

// tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
	also io.Writer // gets everything; may be nil
}

const tailBytes = 4096

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, b...)
	if over := len(t.data) - tailBytes; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	if t.also != nil {
		_, _ = t.also.Write(b) // a log that cannot be shown is no reason to stop the node
	}
	return len(b), nil
}

// String returns the last lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.data), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
}

// stopped says why a context ended.
func stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return errors.New("interrupted")
	}
	return fmt.Errorf("not done in time: %w", ctx.Err())
}

// pause waits for d, and reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
