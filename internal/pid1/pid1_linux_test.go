package pid1_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/phub-io/phub/internal/pid1"
)

// TestMain is also the process under test: one that orphans are handed to, as they are to process 1.
func TestMain(m *testing.M) {
	script, ok := os.LookupEnv("PID1_SCRIPT")
	if !ok {
		os.Exit(m.Run())
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Println(err)
		os.Exit(99)
	}
	code, err := pid1.Run("sh", "-c", script)
	if err != nil {
		fmt.Println(err)
		os.Exit(98)
	}
	os.Exit(code)
}

func first(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "PID1_SCRIPT="+script)
	return c
}

// The script leaves twenty orphans, and looks until all have gone, for 10 s at most.
const orphans = `
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do (setsid sleep 0.1 &); done
for try in $(seq 200); do
  left=0
  for p in /proc/[0-9]*/stat; do
    read -r pid name state parent rest <"$p" 2>/dev/null || continue
    if [ "$parent" = "$PPID" ] && [ "$pid" != "$$" ]; then left=$((left+1)); fi
  done
  [ "$left" = 0 ] && exit 7
  sleep 0.05
done
echo "$left processes are still there"
`

func TestRun_TakesInOrphansAndHandsOnTheExitCode(t *testing.T) {
	t.Parallel()
	out, err := first(t, orphans).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("got %v, want exit code 7; output: %s", err, out)
	}
}

func TestRun_HandsOnSignals(t *testing.T) {
	t.Parallel()
	c := first(t, `trap 'exit 5' TERM; echo ready; while true; do sleep 0.01; done`)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "ready" {
		t.Fatalf("got %q, %v", line, err)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Errorf("got %v, want exit code 5", err)
	}
}

func TestRun_AProgramThatIsKilled(t *testing.T) {
	t.Parallel()
	var exit *exec.ExitError
	if err := first(t, `kill -9 $$`).Run(); !errors.As(err, &exit) || exit.ExitCode() != 137 {
		t.Errorf("got %v, want exit code 137", err)
	}
}

func TestRun_NoSuchProgram(t *testing.T) {
	t.Parallel()
	if code, err := pid1.Run("/no/such/program"); err == nil {
		t.Errorf("got code %d, want an error", code)
	}
}
