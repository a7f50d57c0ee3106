//go:build linux && e2e

package network_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/network"
)

// hosts makes a network, or says why there can be none here.
func hosts(t *testing.T, names ...string) *network.Net {
	t.Helper()
	if err := network.Possible(); err != nil {
		if os.Getenv("PHUB_E2E_NETWORK") == "must" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	n, err := network.New(names...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// echo runs a server on a host that answers each line with itself, and returns its address.
func echo(t *testing.T, n *network.Net, name string) string {
	t.Helper()
	program, args := n.Program(name, os.Args[0], "-test.run", "^TestEchoServer$")
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "PHUB_ECHO="+n.Addr(name)+":7")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // an error says that it has ended
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "listening\n" {
		t.Fatalf("the server said %q, %v", line, err)
	}
	return n.Addr(name) + ":7"
}

// TestEchoServer is the program that echo runs.
func TestEchoServer(t *testing.T) {
	at := os.Getenv("PHUB_ECHO")
	if at == "" {
		return
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for in := bufio.NewReader(c); ; {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				fmt.Fprint(c, line)
			}
		}()
	}
}

// say sends a line and waits for it to come back.
func say(c net.Conn, line string, patience time.Duration) (time.Duration, error) {
	began := time.Now()
	if _, err := fmt.Fprintln(c, line); err != nil {
		return 0, err
	}
	err := hear(c, line, patience)
	return time.Since(began), err
}

// hear waits for a line.
func hear(c net.Conn, line string, patience time.Duration) error {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	got, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && strings.TrimSpace(got) != line {
		err = fmt.Errorf("%q came back, %q was sent", got, line)
	}
	return err
}

func TestNet_CutsDelaysAndHeals(t *testing.T) {
	n := hosts(t, "a", "b", "x")
	at := echo(t, n, "b")
	c, err := n.Dialer("a").Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := say(c, "hello", 5*time.Second); err != nil {
		t.Fatalf("over the open network: %v", err)
	}
	a, b := []string{"a"}, []string{"b"}

	n.Set(network.Rule{Delay: 100 * time.Millisecond}, b, a)
	if d, err := say(c, "slow", 5*time.Second); err != nil || d < 100*time.Millisecond {
		t.Errorf("with a delay of 100ms in one direction: %v, %v", d, err)
	}

	n.Set(network.Rule{Cut: true}, a, b)
	if _, err := say(c, "lost", 500*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("over the cut: %v, want no answer", err)
	}
	if _, lost := n.Frames(a, b); lost == 0 {
		t.Errorf("no frame was lost: nothing was cut")
	}

	n.Heal()
	if err := hear(c, "lost", 5*time.Second); err != nil {
		t.Errorf("healed, what was lost was not sent again: %v", err)
	}
}

func TestNet_IsReachedByNobodyElse(t *testing.T) {
	n := hosts(t, "a")
	at := echo(t, n, "a")
	c, err := net.DialTimeout("tcp", at, 500*time.Millisecond)
	if err != nil {
		return // as it should be
	}
	defer c.Close() // somebody else has that address, or takes all connections
	if _, err := say(c, "hello", 500*time.Millisecond); err == nil {
		t.Errorf("this machine reaches %s in the namespace", at)
	}
}

func TestNew_RemovesWhatACrashedRunLeft(t *testing.T) {
	hosts(t, "a") // says whether there can be a network
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	left := fmt.Sprintf("phub-%d-1-a", ended.Process.Pid)
	living := fmt.Sprintf("phub-%d-99-a", os.Getpid())
	for _, space := range []string{left, living} {
		if out, err := exec.Command("ip", "netns", "add", space).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", living).Run() }) // the run itself has checked all that matters
	hosts(t, "b")
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), left) || !strings.Contains(string(out), living) {
		t.Errorf("of %s, which nobody uses any more, and %s there are left:\n%s", left, living, out)
	}
}
