package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// manifest is what the tests look at in a Kubernetes manifest.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Selector    selector    `yaml:"selector"`
		Template    podTemplate `yaml:"template"`
		ServiceName string      `yaml:"serviceName"`
	}
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type podTemplate struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct {
		Grace      int            `yaml:"terminationGracePeriodSeconds"`
		Affinity   map[string]any `yaml:"affinity"`
		Containers []container
	}
}

type container struct {
	Name, Image string
	Args        []string
	Env         []struct{ Name, Value string }
	Ports       []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Readiness httpProbe `yaml:"readinessProbe"`
	Liveness  httpProbe `yaml:"livenessProbe"`
}

type httpProbe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// manifests reads all documents of a file.
func manifests(t *testing.T, name string) []manifest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../deploy/kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []manifest
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, m)
	}
}

// workload returns the one that has pods.
func workload(t *testing.T, name, kind string) *manifest {
	t.Helper()
	all := manifests(t, name)
	i := slices.IndexFunc(all, func(m manifest) bool { return m.Kind == kind })
	if i < 0 {
		t.Fatalf("%s: found no %s", name, kind)
	}
	return &all[i]
}

var variable = regexp.MustCompile(`\$\((\w+)\)`)

// runs checks a command line against the command line that there is, with variables put in.
func runs(t *testing.T, what string, args []string, values map[string]string) {
	t.Helper()
	full := make([]string, len(args))
	for i, arg := range args {
		full[i] = variable.ReplaceAllStringFunc(arg, func(v string) string {
			value, ok := values[variable.FindStringSubmatch(v)[1]]
			if !ok {
				t.Errorf("%s: %s: found no such variable", what, arg)
			}
			return value
		})
	}
	if _, err := emptyCommandLine().ParseContext(full); err != nil {
		t.Errorf("%s: phub %s: %v", what, strings.Join(full, " "), err)
	}
}

// flagOf returns the value of a flag given as --name=value; "" without it.
func flagOf(args []string, name string) string {
	for _, arg := range args {
		if v, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return v
		}
	}
	return ""
}

// Each flag of the manifests exists, the variables that they use are set, the health pages are asked for where they are served, and a node
// has the time to hand over before it is killed.
func TestDeploy_Kubernetes(t *testing.T) {
	t.Parallel()
	budget := workload(t, "pdb.yaml", "PodDisruptionBudget")
	for name, kind := range map[string]string{"deployment.yaml": "Deployment", "statefulset.yaml": "StatefulSet"} {
		m := workload(t, name, kind)
		pod := m.Spec.Template
		if !maps.Equal(m.Spec.Selector.MatchLabels, pod.Metadata.Labels) || !maps.Equal(budget.Spec.Selector.MatchLabels, pod.Metadata.Labels) {
			t.Errorf("%s: pods have the labels %v; it selects %v, the budget %v", name, pod.Metadata.Labels, m.Spec.Selector.MatchLabels, budget.Spec.Selector.MatchLabels)
		}
		c := pod.Spec.Containers[0]
		values := map[string]string{}
		for _, e := range c.Env {
			values[e.Name] = "some-" + strings.ToLower(e.Name)
		}
		runs(t, name, c.Args, values)
		grace, err := time.ParseDuration(flagOf(c.Args, "grace"))
		if rest := time.Duration(pod.Spec.Grace)*time.Second - grace; err != nil || rest < 5*time.Second {
			t.Errorf("%s: --grace %v of %d s leaves %v, want 5s or more: %v", name, grace, pod.Spec.Grace, rest, err)
		}
		if addr := flagOf(c.Args, "http"); len(c.Ports) != 1 || addr != ":"+strconv.Itoa(c.Ports[0].ContainerPort) || c.Ports[0].Name != c.Readiness.HTTPGet.Port || c.Ports[0].Name != c.Liveness.HTTPGet.Port {
			t.Errorf("%s: health is served at %q; ports %v, asked for at %+v and %+v", name, addr, c.Ports, c.Readiness.HTTPGet, c.Liveness.HTTPGet)
		}
		if c.Readiness.HTTPGet.Path != "/readyz" || c.Liveness.HTTPGet.Path != "/livez" {
			t.Errorf("%s: it asks for %s and %s", name, c.Readiness.HTTPGet.Path, c.Liveness.HTTPGet.Path)
		}
		if pod.Spec.Affinity["podAntiAffinity"] == nil {
			t.Errorf("%s: found no podAntiAffinity", name)
		}
	}
	all := manifests(t, "statefulset.yaml")
	if set := workload(t, "statefulset.yaml", "StatefulSet"); all[0].Kind != "Service" || all[0].Metadata.Name != set.Spec.ServiceName {
		t.Errorf("found %s %s, want the Service %s", all[0].Kind, all[0].Metadata.Name, set.Spec.ServiceName)
	}
}

func TestDeploy_Systemd(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../deploy/systemd/phub.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			unit[key] = value
		}
	}
	args := strings.Fields(strings.ReplaceAll(unit["ExecStart"], "%l", "host"))
	if len(args) < 2 || !strings.HasSuffix(args[0], "/phub") {
		t.Fatalf("ExecStart=%s", unit["ExecStart"])
	}
	runs(t, "phub.service", args[1:], nil)
	grace, err := time.ParseDuration(flagOf(args, "grace"))
	stop, wrong := time.ParseDuration(unit["TimeoutStopSec"])
	if err = errors.Join(err, wrong); err != nil || stop-grace < 5*time.Second {
		t.Errorf("--grace %v of %v: want 5s less or more: %v", grace, stop, err)
	}
	if unit["Type"] == "notify" {
		t.Error("Type=notify, and phub notifies nobody")
	}
}
