package phub

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// Hubs returns the names of the hubs in the account of a connection, sorted: those whose placement
// bucket exists in a JetStream domain. An empty domain is that of the connection's server. A context without a deadline gets one of 30 s.
func Hubs(ctx context.Context, nc *nats.Conn, domain string) ([]string, error) {
	if err := protocol.ValidateDomain(domain); err != nil {
		return nil, fmt.Errorf("list hubs: %w", err)
	}
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	d := denials{nc: nc}
	ctx, stop := d.during(ctx, protocol.JetStreamAPI(domain)+">")
	defer stop()
	buckets, err := jetstream.Buckets(ctx, nc, domain)
	if err = deniedOr(ctx, err); err != nil {
		return nil, fmt.Errorf("list hubs: %w", err)
	}
	hubs := []string{}
	for _, bucket := range buckets {
		if hub := hubOf(bucket); hub != "" {
			hubs = append(hubs, hub)
		}
	}
	slices.Sort(hubs)
	return hubs, nil
}

// hubOf returns the hub whose placement bucket has that name, or "".
func hubOf(bucket string) string {
	rest, ok := strings.CutPrefix(bucket, "phub_")
	if !ok {
		return ""
	}
	hub, ok := strings.CutSuffix(rest, "_"+string(protocol.PlacementBucket))
	if !ok || protocol.ValidateHub(hub) != nil {
		return ""
	}
	return hub
}
