package kinds

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/phub-io/phub/internal/lograte"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

const (
	// termAfter is how long a program has to end after its stdin is closed, before it gets SIGTERM.
	termAfter = 2 * time.Second
	// killAfter is how long it has in all before it gets SIGKILL. It is less than a client waits for a stop.
	killAfter = 8 * time.Second
	// drainOutput is for how long what a program wrote is read after it ended, in case somebody else
	// holds its stdout.
	drainOutput = time.Second
)

// logLimits bound what one program has logged.
var logLimits = lograte.Limits{PerSecond: 64 << 10, Burst: 256 << 10, Bytes: true, MaxText: 4 << 10}

// Exec makes workers that run a program. Requests and changes of mode are lines of JSON on its stdin,
// replies are lines of JSON on its stdout; what it writes to stderr goes to the log.
type Exec struct {
	// Logger gets the program's stderr, line by line. Defaults to slog.Default. Of one program it gets at most 256 KiB at
	// once and 64 KiB a second, and of one line 4 KiB; a line every 10 s says how many were left out.
	Logger *slog.Logger
}

// Kind makes the worker of one replica.
func (e Exec) Kind(r worker.Replica) (worker.Worker, error) {
	argv, err := argvOf(r.Args)
	if err == nil {
		err = distinctNames(r.Args)
	}
	if err != nil {
		return nil, err
	}
	log := e.Logger
	if log == nil {
		log = slog.Default()
	}
	paced := lograte.New(log.Handler(), logLimits, r.CountLogDropped)
	return &program{
		argv: argv, paced: paced, log: slog.New(paced).With("child", r.Child), waitReady: r.Args[argReady] == "true",
		ready: make(chan struct{}), gone: make(chan struct{}), exited: make(chan struct{}), replies: make(chan programLine),
	}, nil
}

// program is one running program.
type program struct {
	argv      []string
	log       *slog.Logger
	paced     *lograte.Handler // the log's
	waitReady bool

	cmd     *exec.Cmd
	stdin   io.WriteCloser
	write   sync.Mutex // of stdin
	id      uint64     // of the last request
	replies chan programLine
	ready   chan struct{}
	isReady sync.Once
	gone    chan struct{} // closed when the process is; output may still have to be read
	exited  chan struct{} // closed after that
	err     error         // why it ended; read after exited is closed
	reading sync.WaitGroup
	garbage error // what was wrong with its output; read after reading is done
}

// Start starts the program, and with the arg ready=true waits for its first line.
func (p *program) Start(ctx context.Context, r worker.Replica) error {
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	p.cmd.Env = environ(r)
	own(p.cmd)
	if err := p.launch(); err != nil {
		return fmt.Errorf("run %q: %w; the program must be on the PATH of every node, or be named with its path", p.argv[0], err)
	}
	if !p.waitReady {
		return nil
	}
	select {
	case <-p.ready:
		return nil
	case <-p.exited:
		return fmt.Errorf("program ended before it was ready: %w", p.why())
	case <-ctx.Done():
		p.kill()
		return context.Cause(ctx)
	}
}

func (p *program) launch() error {
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return err
	}
	p.stdin = stdin
	started := make(chan error, 1)
	go p.supervise(started, stdout, stderr)
	return <-started
}

// supervise starts the program and stays until it is gone. It keeps to one thread: Linux ends the
// program when the thread ends that started it.
func (p *program) supervise(started chan<- error, stdout, stderr io.ReadCloser) {
	defer pin()()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.reading.Go(func() { p.readReplies(stdout) })
	p.reading.Go(func() { p.readLog(stderr) })
	state, err := p.cmd.Process.Wait()
	close(p.gone)
	if err == nil && !state.Success() {
		err = errors.New(state.String())
	}
	p.kill() // what it left in its process group
	p.finish(stdout, stderr)
	if p.garbage != nil {
		err = p.garbage
	}
	p.paced.Close()
	p.err = err
	close(p.exited)
	_ = p.stdin.Close()
}

// finish waits until all output is read.
func (p *program) finish(stdout, stderr io.ReadCloser) {
	timer := time.AfterFunc(drainOutput, func() { _ = stdout.Close(); _ = stderr.Close() })
	defer timer.Stop()
	p.reading.Wait()
	_ = stdout.Close()
	_ = stderr.Close()
}

// readReplies takes the program's lines. A line that is none ends the program, and so does closing its stdout while
// it goes on running: nothing more would be answered. A line that is too long is an answer that is too large.
func (p *program) readReplies(stdout io.Reader) {
	lines := newLines(stdout)
	for {
		b, whole, err := lines.next()
		if err != nil {
			p.silent()
			return
		}
		l := programLine{Type: "reply", ID: idOf(b), long: true}
		if whole {
			if l, err = parseLine(b); err != nil {
				p.reject(err)
				return
			}
		}
		p.isReady.Do(func() { close(p.ready) })
		if l.Type == "reply" {
			p.deliver(l)
		}
	}
}

// silent ends a program that closed its stdout, unless it is ending by itself.
func (p *program) silent() {
	timer := time.NewTimer(drainOutput)
	defer timer.Stop()
	select {
	case <-p.gone:
	case <-timer.C:
		p.reject(errors.New("found its stdout closed, expected it open until the program ends"))
	}
}

func (p *program) reject(err error) {
	p.log.Error("a program broke the protocol and is ended", "program", p.argv[0], "error", err)
	p.garbage = err
	p.kill()
}

// deliver gives a reply to whoever waits for it. Nobody may: then it is late, and of no use.
func (p *program) deliver(l programLine) {
	select {
	case p.replies <- l:
	case <-time.After(lateReply):
		p.log.Warn("a program replied to a request for which nobody waits", "id", l.ID)
	}
}

// lateReply is for how long a reply may wait for its handler to be there.
const lateReply = 100 * time.Millisecond

func (p *program) readLog(stderr io.Reader) {
	lines := bufio.NewReaderSize(stderr, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if text := trimLine(line); text != "" {
			p.log.Info("from a program", "line", text, "program", p.argv[0])
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func trimLine(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return string(b)
}

// Handle sends one request to the program and waits for its reply.
func (p *program) Handle(ctx context.Context, r *worker.Request) ([]byte, error) {
	p.id++
	select {
	case <-p.exited:
		return nil, fmt.Errorf("%w: the program of %s on %s ended: %w", worker.ErrNotHandled, r.Child, r.Node, p.why())
	default:
	}
	if err := p.send(ctx, newRequestLine(p.id, r)); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, worker.Errorf(protocol.CodePanic, "the program of %s on %s does not read requests any more: %v", r.Child, r.Node, err)
	}
	for {
		select {
		case l := <-p.replies:
			if l.ID == p.id || l.long && l.ID == 0 {
				return l.result(r)
			}
			p.log.Warn("a program replied to a request that it was not asked", "id", l.ID, "asked", p.id)
		case <-p.exited:
			return nil, p.died(r)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// died is the answer to a request in which the program ended: how much of it was done is unknown, as after a panic.
func (p *program) died(r *worker.Request) error {
	return worker.Errorf(protocol.CodePanic, "the program of %s on %s ended while it handled the request: %v", r.Child, r.Node, p.why())
}

// ModeOptional says that a program does as well without being told its mode.
func (*program) ModeOptional() {}

// ModeChanged tells the program its mode.
func (p *program) ModeChanged(ctx context.Context, m worker.ModeChange) {
	if err := p.send(ctx, modeLine{Type: "mode", Mode: string(m.Mode), Epoch: m.Epoch, Reason: m.Reason}); err != nil {
		p.log.Warn("a program was not told its mode", "mode", m.Mode, "error", err)
	}
}

// send writes one line. A program that does not read it until ctx ends has lost its place in the
// stream, and is killed.
func (p *program) send(ctx context.Context, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	p.write.Lock()
	defer p.write.Unlock()
	defer context.AfterFunc(ctx, p.kill)()
	if _, err := p.stdin.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write to the program's stdin: %w", err)
	}
	return nil
}

// Run lives as long as the program does. An exit status of 0 is its normal end.
func (p *program) Run(ctx context.Context) error {
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		return nil
	}
}

// Stop closes the program's stdin, then sends SIGTERM, then kills its process group.
func (p *program) Stop(ctx context.Context) error {
	_ = p.stdin.Close()
	term, kill := time.NewTimer(termAfter), time.NewTimer(killAfter)
	defer term.Stop()
	defer kill.Stop()
	select {
	case <-p.exited:
		return nil
	case <-term.C:
		p.terminate()
	case <-ctx.Done():
	}
	select {
	case <-p.exited:
		return nil
	case <-kill.C:
	case <-ctx.Done():
	}
	p.kill()
	<-p.exited
	return errors.New("program did not end in time and was killed")
}

// why says how the program ended.
func (p *program) why() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}
