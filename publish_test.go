package phub_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

// publishes lists all functions that publish to NATS from a node's own connection, and where the subject comes from. A
// request's sender chooses the reply subject, and what stands in a bucket anybody may have written: neither must become a
// subject on which a node publishes without being looked at.
var publishes = map[string]string{
	"Session.replyIf":        "the reply subject of a request, which protocol.ValidateReply has found to be one for answers",
	"Session.publish":        "a bucket's subject and a key, which Session.checkWrites has looked at",
	"Session.askUntil":       "a subject of this hub with a node's name, which protocol.ValidateNode has found valid, or with one of the verbs that are served",
	"Session.kick":           "a subject of a server's id, which isServerID has found valid",
	"Session.Probe":          "a subject of this hub with a node's name",
	"Session.Wake":           "a subject of this hub with a node's name",
	"Session.Announce":       "a subject of this hub with a child's or node's name, which the decoders of views, entries and heartbeats have found valid",
	"Session.tryCoordinator": "a subject of this hub with one of the verbs that are served",
	"Session.interest":       "one fixed subject",
	"Session.holder":         "one fixed subject",
	"Session.reaches":        "an inbox of this node's own",
	"Session.call":           "a subject of JetStream's with the names of a bucket and a consumer of this session's",
	"puller.close":           "the same",
	"puller.pull":            "the same",
	"Transport.deliver":      "nothing is published: a request is handed on",
	"examiner.countServers":  "one fixed subject",
}

// publishing are the methods of nats.go by which something is published, answering those by which a message is answered
// without a look at the subject.
var (
	publishing = []string{"Publish", "PublishMsg", "PublishRequest", "PublishAsync", "PublishMsgAsync", "Request", "RequestMsg", "RequestWithContext", "RequestMsgWithContext"}
	answering  = []string{"Respond", "RespondMsg", "RespondJSON", "AddService"}
)

// calls returns the functions of a file that name one of the methods.
func calls(f *ast.File, methods []string) map[string]token.Pos {
	found := map[string]token.Pos{}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(methods, sel.Sel.Name) && !namesSubject(sel) {
				found[nameOf(fn)] = n.Pos()
			}
			return true
		})
	}
	return found
}

// namesSubject reports whether a selector is that of a method of protocol.Subjects, some of which are called as those of nats.go.
func namesSubject(sel *ast.SelectorExpr) bool {
	of, ok := sel.X.(*ast.SelectorExpr)
	return ok && of.Sel.Name == "subjects"
}

func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	recv := fn.Recv.List[0].Type
	if p, ok := recv.(*ast.StarExpr); ok {
		recv = p.X
	}
	if id, ok := recv.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// eachFile parses the files of the packages that f takes, without tests.
func eachFile(t *testing.T, takes func(goPackage) bool, do func(*token.FileSet, *ast.File)) {
	t.Helper()
	for _, p := range packages(t) {
		if !takes(p) {
			continue
		}
		for _, file := range p.GoFiles {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			do(fset, f)
		}
	}
}

func TestPublish_NodesPublishOnlyOnSubjectsThatWereLookedAt(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	eachFile(t, func(p goPackage) bool { return p.name() == "jetstream" }, func(fset *token.FileSet, f *ast.File) {
		for name, at := range calls(f, publishing) {
			seen[name] = true
			if publishes[name] == "" {
				t.Errorf("%s: %s publishes to NATS: answers go through Session.reply; for anything else say in publish_test.go where the subject comes from", fset.Position(at), name)
			}
		}
	})
	for name := range publishes {
		if !seen[name] {
			t.Errorf("%s publishes nothing any more: take it out of publish_test.go", name)
		}
	}
}

func TestPublish_NothingIsAnsweredWithoutALookAtTheSubject(t *testing.T) {
	t.Parallel()
	eachFile(t, func(p goPackage) bool { return !fits("e2e/...", p.name()) }, func(fset *token.FileSet, f *ast.File) {
		for name, at := range calls(f, answering) {
			if name == "echo" && f.Name.Name == "main" {
				continue // bench's plain responder, which looks at the subject
			}
			t.Errorf("%s: %s answers on whatever subject is asked for; nodes answer by Session.reply, others look at the subject with protocol.ValidateReply first", fset.Position(at), name)
		}
	})
}

func TestCalls_SeesWhatPublishes(t *testing.T) {
	t.Parallel()
	for src, publishes := range map[string]bool{
		"nc.Publish(m.Reply, nil)":              true,
		"s.nc.PublishMsg(m)":                    true,
		"f := conn().PublishRequest; _ = f":     true,
		"func() { _ = x.Request(y, nil, 0) }()": true,
		"s.nc.Subscribe(s.subjects.Request(c))": false,
		"s.reply(m.Reply, nil, nil)":            false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; func (s *T) f() { "+src+" }", parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse %q: %v", src, err)
		}
		if _, found := calls(f, publishing)["T.f"]; found != publishes {
			t.Errorf("%q: found %v, want %v", src, found, publishes)
		}
	}
}
