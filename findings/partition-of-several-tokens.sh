#!/usr/bin/env bash
# partition() over several tokens hashes them without what stands between them (nats-server 2.15.3)
#
# Expected: {{partition(n,1,2)}} takes the two tokens as they stand in the subject, "ab.c"; a client that wants to know the partition beforehand hashes
# that text (FNV-1a, as documented), and pairs that differ are spread independently of each other.
#
# Happens: the tokens are joined with nothing between them (TransformTokenizedSubject in server/subject_transform.go), so "ab.c" and "a.bc",
# "1.11" and "11.1" are always in one partition, whatever n is. A client that hashes the part of the subject agrees for one token and for
# {{partition(n)}} over the whole subject, where the dots count, and for nothing in between. With numbers for tenant and user, 729 of
# 9,801 pairs of 1 to 99 are where another pair is, whatever n is.
#
# Versions: nats-server 2.15.3. Date: 2026-11-29.
# Output seen: of 1,000,000 partitions: p.ab.c and p.a.bc in the same, equal to FNV-1a of "abc", not of "ab.c".
#
# For a user: hash with one token that identifies, or compute the partition in the client.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/nats-io/nats-server/v2 v2.15.3
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"hash/fnv"
	"os"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

const n = 1_000_000

func main() {
	two := transform("p.*.*", "{{partition(1000000,1,2)}}")
	seen("p.ab.c is where p.a.bc is", two("p.ab.c") == two("p.a.bc"), true)
	seen("p.1.11 is where p.11.1 is", two("p.1.11") == two("p.11.1"), true)
	seen("it is the hash of abc", two("p.ab.c") == hash("abc"), true)
	seen("it is the hash of ab.c", two("p.ab.c") == hash("ab.c"), false)
	seen("one token: the hash of it", transform("p.*", "{{partition(1000000,1)}}")("p.ab") == hash("ab"), true)
	seen("no token: the hash of the subject with its dots", transform("p.*.*", "{{partition(1000000)}}")("p.ab.c") == hash("p.ab.c"), true)

	used, pairs := map[string]bool{}, 0
	for tenant := range 99 {
		for user := range 99 {
			pairs++
			used[two(fmt.Sprintf("p.%d.%d", tenant+1, user+1))] = true
		}
	}
	seen("pairs of 1 to 99, and partitions they use of a million", fmt.Sprint(pairs, " ", len(used)), "9801 9072")
}

func hash(s string) string {
	h := fnv.New32a()
	h.Write([]byte(s))
	return strconv.FormatUint(uint64(h.Sum32()%n), 10)
}

func transform(source, destination string) func(string) string {
	t := must(server.NewSubjectTransform(source, destination))
	return func(subject string) string { return must(t.Match(subject)) }
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// seen compares what happens with what this finding says. Any difference means that the finding has changed.
func seen(what string, got, want any) {
	fmt.Printf("%s: %v\n", what, got)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		fmt.Printf("changed: it was %v\n", want)
		os.Exit(1)
	}
}
EOF
timeout -k 5 300 go run .
echo "unchanged"
