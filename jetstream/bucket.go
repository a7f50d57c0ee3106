package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/protocol"
)

const (
	maxReplicas  = 3
	markerTTL    = time.Hour       // for how long a delete marker stays
	apiLevel     = 2               // of nats-server 2.12: atomic batches
	peerPatience = 2 * time.Second // for servers of a cluster that has just started

	setupPatience = 3 * time.Second // for one answer; longer than peerPatience
)

var buckets = protocol.Buckets[:]

func (s *Session) stream(b protocol.Bucket) string { return "KV_" + b.Name(s.cfg.Hub) }

func (s *Session) subjectPrefix(b protocol.Bucket) string { return b.Keys(s.cfg.Hub) }

// bucketConfig is that of a KV bucket made by nats.go, but for direct reads, batches and republish.
func (s *Session) bucketConfig(b protocol.Bucket, replicas int) jetstream.StreamConfig {
	all := s.subjectPrefix(b) + ">"
	return jetstream.StreamConfig{
		Name:                   s.stream(b),
		Description:            fmt.Sprintf("phub hub %s: %s", s.cfg.Hub, b),
		Subjects:               []string{all},
		Storage:                jetstream.FileStorage,
		Replicas:               replicas,
		Discard:                jetstream.DiscardNew,
		MaxMsgsPerSubject:      1,
		MaxMsgs:                -1,
		MaxBytes:               -1,
		MaxMsgSize:             -1,
		MaxConsumers:           -1,
		Duplicates:             2 * time.Minute,
		AllowRollup:            true,
		DenyDelete:             true,
		AllowDirect:            false,
		AllowMsgTTL:            true,
		SubjectDeleteMarkerTTL: markerTTL,
		AllowAtomicPublish:     true,
		RePublish:              &jetstream.RePublish{Source: all, Destination: s.subjects.Stored(b, ">")},
	}
}

func (s *Session) ensureBuckets(ctx context.Context) error {
	if err := patiently(ctx, s.checkServer); err != nil {
		return err
	}
	for _, b := range buckets {
		if err := patiently(ctx, func(ctx context.Context) error { return s.ensureBucket(ctx, b) }); err != nil {
			return setupError("make bucket "+b.Name(s.cfg.Hub), err)
		}
	}
	return nil
}

// patiently calls f again when it got no answer: a cluster that elects a leader forgets requests.
func patiently(ctx context.Context, f func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, setupPatience)
		err := f(try)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
	}
}

func (s *Session) checkServer(ctx context.Context) error {
	info, err := s.js.AccountInfo(ctx)
	switch {
	case err != nil:
		return setupError("ask for JetStream", nobodyAnswers(err))
	case info.API.Level < apiLevel:
		return &SetupError{
			Found:    fmt.Sprintf("nats-server %s with JetStream API level %d", s.nc.ConnectedServerVersion(), info.API.Level),
			Expected: fmt.Sprintf("nats-server 2.12 or later (API level %d), which has atomic batches", apiLevel),
			Try:      "upgrade the NATS servers, all of the cluster",
		}
	}
	if protocol.ValidateDomain(info.Domain) == nil {
		s.domain.Store(&info.Domain)
	}
	return nil
}

// nobodyAnswers says what it means that nobody answers for JetStream as a whole.
func nobodyAnswers(err error) error {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) {
		return &jetstream.APIError{ErrorCode: codeNotEnabled, Code: 503, Description: "nobody answers for JetStream"}
	}
	return err
}

// Buckets returns the names of all KV buckets in the account of a connection, in a JetStream domain; an empty one is that of its server.
func Buckets(ctx context.Context, nc *nats.Conn, domain string) ([]string, error) {
	js, err := newJetStream(nc, domain)
	if err != nil {
		return nil, err
	}
	lister := js.KeyValueStoreNames(ctx)
	var names []string
	for name := range lister.Name() {
		names = append(names, name)
	}
	if err := lister.Error(); err != nil {
		return nil, setupError("list buckets", nobodyAnswers(err))
	}
	return names, nil
}

func (s *Session) ensureBucket(ctx context.Context, b protocol.Bucket) error {
	info, err := s.streamInfo(ctx, b)
	if codeOf(err) == codeStreamNotFound {
		info, err = s.makeBucket(ctx, b)
	}
	if err == nil {
		info, err = s.clearLeftovers(ctx, b, info)
	}
	if err != nil {
		return err
	}
	have, err := s.mendBucket(ctx, b, &info.Config, false)
	if wrong := s.checkBucket(b, have); wrong != nil {
		return wrong
	}
	return err
}

// makeBucket makes a bucket, or finds the one that another node made meanwhile.
func (s *Session) makeBucket(ctx context.Context, b protocol.Bucket) (*jetstream.StreamInfo, error) {
	replicas := s.cfg.Replicas
	if replicas == 0 {
		replicas = maxReplicas
	}
	for begin := time.Now(); ; {
		cfg := s.bucketConfig(b, replicas)
		cfg.Metadata = map[string]string{madeBy: s.made}
		info, err := s.createStream(ctx, cfg)
		switch code := codeOf(err); {
		case code == codeNameInUse:
			return s.streamInfo(ctx, b)
		case replicas > 1 && s.cfg.Replicas == 0 && (code == codeNoReplicas || code == codeNoPeers && time.Since(begin) > peerPatience):
			if code == codeNoPeers {
				s.log.Warn("the NATS cluster has too few servers with JetStream: bucket without replicas", "bucket", b.Name(s.cfg.Hub), "wanted", replicas)
			}
			replicas = 1
		case (code == codeNoPeers || code == codeCreateFailed) && time.Since(begin) <= peerPatience:
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
		default:
			return info, replicasError(err, replicas)
		}
	}
}

const fewerReplicas = "fewer replicas (--bucket-replicas 1; Options.Replicas in Go), or more servers in the NATS cluster"

func replicasError(err error, replicas int) error {
	if code := codeOf(err); code == codeNoReplicas || code == codeNoPeers {
		return &SetupError{fmt.Sprintf("too few NATS servers with JetStream (%v)", err), fmt.Sprintf("%d, for as many replicas of each bucket", replicas), fewerReplicas, err}
	}
	return err
}

// checkBucket returns an error that names the first setting by which a bucket won't do.
func (s *Session) checkBucket(b protocol.Bucket, have *jetstream.StreamConfig) error {
	want := s.bucketConfig(b, have.Replicas)
	if s.cfg.Replicas != 0 {
		want.Replicas = s.cfg.Replicas
	}
	for _, c := range settings(&want, have) {
		if c.want != c.have && c.name == replicasSetting {
			return &SetupError{
				Found:    fmt.Sprintf("bucket %s with replicas %s", b.Name(s.cfg.Hub), c.have),
				Expected: "replicas " + c.want,
				Try:      fmt.Sprintf("--bucket-replicas %s (Options.Replicas in Go), or `nats stream edit %s --replicas %s`", c.have, s.stream(b), c.want),
			}
		}
		if c.want != c.have {
			return &SetupError{
				Found:    fmt.Sprintf("bucket %s with %s %s", b.Name(s.cfg.Hub), c.name, c.have),
				Expected: fmt.Sprintf("%s %s", c.name, c.want),
				Try:      s.mendTry(b, &want, have),
			}
		}
	}
	return nil
}

type setting struct{ name, want, have string }

const replicasSetting = "replicas"

func settings(want, have *jetstream.StreamConfig) []setting {
	show := func(name string, w, h any) setting { return setting{name, fmt.Sprint(w), fmt.Sprint(h)} }
	return []setting{
		show("subjects", want.Subjects, have.Subjects),
		show("storage", want.Storage, have.Storage),
		show(replicasSetting, want.Replicas, have.Replicas),
		show("retention", want.Retention, have.Retention),
		show("history (max_msgs_per_subject)", want.MaxMsgsPerSubject, have.MaxMsgsPerSubject),
		show("ttl (max_age)", want.MaxAge, have.MaxAge),
		show("max_msgs", want.MaxMsgs, have.MaxMsgs),
		show("allow_direct", want.AllowDirect, have.AllowDirect),
		show("allow_atomic", want.AllowAtomicPublish, have.AllowAtomicPublish),
		show("allow_msg_ttl", want.AllowMsgTTL, have.AllowMsgTTL),
		show("republish", republish(want.RePublish), republish(have.RePublish)),
		show("mirror or sources", false, have.Mirror != nil || len(have.Sources) > 0),
		show("subject_transform", false, have.SubjectTransform != nil),
		show("no_ack", want.NoAck, have.NoAck),
		show("sealed", want.Sealed, have.Sealed),
	}
}

func republish(r *jetstream.RePublish) string {
	if r == nil {
		return "none"
	}
	s := "from " + r.Source + " to " + r.Destination
	if r.HeadersOnly {
		s += " (headers only)"
	}
	return s
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
