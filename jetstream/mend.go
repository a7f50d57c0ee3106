package jetstream

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/protocol"
)

// Whoever edits a bucket may change settings without knowing it: `nats kv edit` turns batches off and direct reads on, whatever it
// is told to edit. What can be put back in place is put back.

const (
	mendEvery    = 10 * time.Second // how often the coordinator's node looks
	mendPause    = time.Second      // between two looks that refusals cause
	mendPatience = 3 * time.Second  // for one look
)

// mend is what keeps a session's buckets as they should be.
type mend struct {
	due  chan protocol.Bucket // a refusal says that its settings may have been changed
	told map[protocol.Bucket]string
}

func newMend() mend {
	return mend{due: make(chan protocol.Bucket, len(buckets)), told: map[protocol.Bucket]string{}}
}

// limits are settings that do no harm until they are reached.
func limits(want, have *jetstream.StreamConfig) []setting {
	show := func(name string, w, h any) setting { return setting{name, fmt.Sprint(w), fmt.Sprint(h)} }
	return []setting{
		show("max_bytes", want.MaxBytes, have.MaxBytes),
		show("max_msg_size", want.MaxMsgSize, have.MaxMsgSize),
		show("discard", want.Discard, have.Discard),
	}
}

// differences says which of some settings are not as wanted.
func differences(all []setting) []string {
	var found []string
	for _, c := range all {
		if c.want != c.have && c.name != replicasSetting {
			found = append(found, fmt.Sprintf("%s %s is %s again", c.name, c.have, c.want))
		}
	}
	return found
}

// isOurs reports whether a stream was made as this bucket. Editing may have changed one of the two signs.
func isOurs(want, have *jetstream.StreamConfig) bool {
	return have.Description == want.Description || republish(have.RePublish) == republish(want.RePublish)
}

// mended returns a bucket's configuration with all put back that a stream's update can change.
func mended(want, have *jetstream.StreamConfig) jetstream.StreamConfig {
	c := *have
	c.Subjects, c.SubjectTransform, c.RePublish = want.Subjects, nil, want.RePublish
	c.MaxMsgsPerSubject, c.MaxMsgs, c.MaxBytes, c.MaxMsgSize, c.MaxAge = want.MaxMsgsPerSubject, want.MaxMsgs, want.MaxBytes, want.MaxMsgSize, want.MaxAge
	c.Discard, c.DiscardNewPerSubject, c.NoAck, c.AllowRollup = want.Discard, want.DiscardNewPerSubject, want.NoAck, want.AllowRollup
	c.AllowDirect, c.AllowAtomicPublish, c.AllowMsgTTL = want.AllowDirect, want.AllowAtomicPublish, want.AllowMsgTTL
	c.SubjectDeleteMarkerTTL = want.SubjectDeleteMarkerTTL
	return c
}

// mendTry says what to do about a bucket whose settings are wrong.
func (s *Session) mendTry(b protocol.Bucket, want, have *jetstream.StreamConfig) string {
	c := mended(want, have)
	if isOurs(want, have) && len(differences(settings(want, &c))) == 0 {
		return fmt.Sprintf("let the nodes' user publish to %sSTREAM.UPDATE.%s: nodes put it back then; or put it back with `nats stream edit %s`", s.api(), s.stream(b), s.stream(b))
	}
	return fmt.Sprintf("choose another hub name, or, if nothing in it is needed, `nats stream rm %s`", s.stream(b))
}

// mendBucket puts back what somebody changed of a bucket's settings, and returns the settings as they are then. It leaves alone
// what it can't put back, and limits unless they are asked for.
func (s *Session) mendBucket(ctx context.Context, b protocol.Bucket, have *jetstream.StreamConfig, limitsToo bool) (*jetstream.StreamConfig, error) {
	want := s.bucketConfig(b, have.Replicas)
	found := differences(settings(&want, have))
	if limitsToo {
		found = append(found, differences(limits(&want, have))...)
	}
	if len(found) == 0 || !isOurs(&want, have) {
		return have, nil
	}
	c := mended(&want, have)
	if left := differences(settings(&want, &c)); len(left) > 0 {
		return have, nil // nothing of it is worth changing then
	}
	info, err := s.updateStream(ctx, c)
	if err != nil {
		return have, fmt.Errorf("put back the settings of bucket %s (%s): %w", b.Name(s.cfg.Hub), strings.Join(found, ", "), err)
	}
	s.cfg.Refused.Count(protocol.ReasonSettings)
	s.log.Warn("somebody changed a bucket's settings: put back", "hub", s.cfg.Hub, "bucket", b.Name(s.cfg.Hub), "settings", strings.Join(found, ", "))
	return &info.Config, nil
}

// mayBeMended reports whether a refusal may come from settings that somebody changed.
func mayBeMended(c jetstream.ErrorCode) bool {
	return c == codeBatchesOff || c == codeStoreFailed || c == codeMessageTooLarge
}

// mendLater has a bucket's settings looked at, beside the caller.
func (s *Session) mendLater(b protocol.Bucket) {
	select {
	case s.mend.due <- b:
	default: // one that is due already looks at it, or the next refusal
	}
}

// keepSettings looks at the buckets' settings when refusals say so, and now and then if this node coordinates.
func (s *Session) keepSettings() {
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case b := <-s.mend.due:
			s.lookAtSettings(b)
			if pause(s.life, mendPause) != nil {
				return
			}
		case <-tick.C:
			s.mu.Lock()
			leads := len(s.lead) > 0
			s.mu.Unlock()
			for _, b := range buckets {
				if leads {
					s.lookAtSettings(b)
				}
			}
		}
	}
}

// lookAtSettings mends a bucket. What is wrong and stays so is told once.
func (s *Session) lookAtSettings(b protocol.Bucket) {
	ctx, cancel := context.WithTimeout(s.life, mendPatience)
	defer cancel()
	info, err := s.streamInfo(ctx, b)
	if err != nil {
		return // whoever reads or writes says so
	}
	have, err := s.mendBucket(ctx, b, &info.Config, true)
	if err == nil {
		err = s.checkBucket(b, have)
	} else if rejection := s.rejection(b, err); rejection != nil {
		err = rejection
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != s.mend.told[b] && s.life.Err() == nil {
		s.log.Error("a bucket's settings are wrong", "hub", s.cfg.Hub, "bucket", b.Name(s.cfg.Hub), "error", err)
	}
	s.mend.told[b] = text
}
