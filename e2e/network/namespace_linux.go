//go:build linux && e2e

package network

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	prefix = "phub-"          // of the namespaces' names, followed by the id of the process that made them
	spaces = "/var/run/netns" // where ip keeps them
	tap    = "hub0"
	tun    = "/dev/net/tun"
)

// Possible returns nil if hosts can be made here, or an error that says what is missing.
func Possible() error {
	if os.Geteuid() != 0 {
		return errors.New("not root: network namespaces can't be made; run it as root")
	}
	f, err := os.OpenFile(tun, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("no TAP devices: %w; load the kernel's module tun, or give the container the device", err)
	}
	f.Close()
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("%w; install iproute2", err)
	}
	return nil
}

// newHost makes a namespace with a device, which the returned port is the other end of. An error leaves
// nothing behind.
func newHost(space string, i, hosts int) (io.ReadWriteCloser, error) {
	if err := ip("", "netns", "add", space); err != nil {
		return nil, err
	}
	var port *os.File
	err := inside(space, func() (err error) {
		port, err = openTAP()
		return err
	})
	if err == nil {
		if err = ip(setup(i, hosts), "-n", space, "-batch", "-"); err != nil {
			port.Close()
		}
	}
	if err != nil {
		return nil, errors.Join(err, ip("", "netns", "del", space))
	}
	return port, nil
}

// setup is what ip does in a new host: its address, and where the others are.
func setup(i, hosts int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "link set dev lo up\nlink set dev %s address %s addrgenmode none\n", tap, mac(i))
	fmt.Fprintf(&b, "addr add %s/24 dev %s\nlink set dev %s up\n", address(i), tap, tap)
	for other := range hosts {
		if other != i {
			fmt.Fprintf(&b, "neigh replace %s lladdr %s dev %s nud permanent\n", address(other), mac(other), tap)
		}
	}
	return b.String()
}

func mac(i int) string {
	h := hardware(i)
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4], h[5])
}

// openTAP makes the device in the namespace of the calling thread. It is gone when the file is closed.
func openTAP() (*os.File, error) {
	fd, err := unix.Open(tun, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", tun, err)
	}
	req, err := unix.NewIfreq(tap)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make device %s: %w", tap, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), tap), nil
}

// inside calls do on a thread that is in a namespace meanwhile. The thread is not thrown away: programs that
// it started before, and that are to die with their parent, would.
func inside(space string, do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	if err := enter(filepath.Join(spaces, space)); err != nil {
		return err
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic("leave namespace " + space + ": " + err.Error()) // all that follows would happen in it
		}
	}()
	return do()
}

func enter(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", path, err)
	}
	return nil
}

func (n *Net) remove() error {
	var errs []error
	for _, space := range n.spaces {
		errs = append(errs, ip("", "netns", "del", space))
	}
	return errors.Join(errs...)
}

// sweep removes namespaces of processes that are no more: their runs crashed.
func sweep() error {
	entries, err := os.ReadDir(spaces)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if left(e.Name()) {
			if err := ip("", "netns", "del", e.Name()); err != nil {
				return fmt.Errorf("remove what a former run left: %w", err)
			}
		}
	}
	return nil
}

// left reports whether a namespace is one of ours whose maker is gone.
func left(space string) bool {
	rest, ours := strings.CutPrefix(space, prefix)
	pid, _, more := strings.Cut(rest, "-")
	if _, err := strconv.Atoi(pid); !ours || !more || err != nil {
		return false
	}
	_, err := os.Stat("/proc/" + pid)
	return errors.Is(err, os.ErrNotExist)
}

// ip runs the command of iproute2.
func ip(input string, args ...string) error {
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
