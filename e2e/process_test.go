//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
)

// process is a program that runs beside the test. Its output goes to a file, whose end is shown when
// the test fails. It is killed at the test's end.
type process struct {
	t    *testing.T
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	// shown is how many lines of its log are shown when the test fails. Defaults to 30.
	shown int
}

// start starts a program. What the environment says of NATS and phub is hidden from it.
func start(t *testing.T, dir, name, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, log: filepath.Join(logs(t), name+".log"), cmd: exec.Command(program, args...), done: make(chan struct{}), shown: 30}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = out, out, cleanEnv(dir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in cmd.ProcessState
		close(p.done)
	}()
	t.Cleanup(p.end)
	return p
}

// logs is the folder that keeps a test's logs until its next run.
func logs(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(bin.dir, "logs", t.Name())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// cleanEnv is the environment without what NATS and phub read, and with a home of its own.
func cleanEnv(home string) []string {
	env := []string{"HOME=" + home, "NO_COLOR=1"}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(v, "NATS_") && !strings.HasPrefix(v, "PHUB_") && name != "HOME" && name != "XDG_CONFIG_HOME" {
			env = append(env, v)
		}
	}
	return env
}

func (p *process) end() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.done
	if p.t.Failed() {
		p.t.Logf("--- the end of %s's log:\n%s", p.name, tail(p.log, p.shown))
	}
}

func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("send %v to %s: %v", s, p.name, err)
	}
}

// kill ends the process as kill -9 does and returns when it is gone.
func (p *process) kill() history.Death {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.done
	return history.Death{PID: p.pid(), At: clock.Now()}
}

// pause stops the process by SIGSTOP and returns when all of it has stopped.
func (p *process) pause() history.Pause {
	p.t.Helper()
	pause := history.Pause{PID: p.pid(), From: clock.Now()}
	p.signal(syscall.SIGSTOP)
	eventually(p.t, 5*time.Second, p.name+" stops", func() error {
		if s, err := p.state(); s != 'T' {
			return fmt.Errorf("state %c, %w", s, err)
		}
		return nil
	})
	pause.Stopped = clock.Now()
	return pause
}

// state returns the letter that ps shows.
func (p *process) state() (byte, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid()))
	if err != nil {
		return '?', err
	}
	_, rest, found := bytes.Cut(data, []byte(") "))
	if !found || len(rest) == 0 {
		return '?', fmt.Errorf("unknown form %q", data)
	}
	return rest[0], nil
}

// wake ends a pause.
func (p *process) wake(pause history.Pause) history.Pause {
	p.t.Helper()
	pause.To = clock.Now()
	p.signal(syscall.SIGCONT)
	return pause
}

// eventually asks until the answer is nil, and fails the test if that takes too long.
func eventually(t *testing.T, limit time.Duration, what string, askFunc func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := askFunc()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
