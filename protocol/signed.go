package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// What nodes send each other to decide on (heartbeats, requests for release, and the answers to both) is signed as stored
// values are, by the incarnation that it names as its sender. The signature also covers the subject of the request, and
// that an answer is one: so nothing that was signed for one purpose, hub or node counts for another.
//
// Everything signed can be sent again by whoever heard it. An answer names the request that it answers: To and Number.
// What a request is worth a second time, its receiver knows: see the fields Number and View of Beat.

// Signer signs for an incarnation: *Keys.
type Signer interface {
	// SignAs returns the signature of a text by an incarnation; "" if that is not the present one.
	SignAs(id string, text []byte) string
}

// ErrNotSigned is returned for a message that was to be signed by an incarnation that has ended.
var ErrNotSigned = errors.New("phub: the incarnation that a message is of has ended")

// Message is what nodes sign that they send each other: *Beat, *BeatAnswer, *ReleaseRequest or *ReleaseAnswer.
type Message interface {
	// sender is the incarnation that signs it.
	sender() string
	// about returns what the signature covers beside the message, if it is sent as a request on a subject, or answers one.
	about(subject string) string
}

func (b *Beat) sender() string           { return b.ID }
func (a *BeatAnswer) sender() string     { return a.Coordinator.ID }
func (r *ReleaseRequest) sender() string { return r.ID }
func (a *ReleaseAnswer) sender() string  { return a.ID }

func (*Beat) about(subject string) string           { return subject }
func (*BeatAnswer) about(subject string) string     { return answerTo + subject }
func (*ReleaseRequest) about(subject string) string { return subject }
func (*ReleaseAnswer) about(subject string) string  { return answerTo + subject }

// answerTo precedes the subject in what an answer's signature covers. No subject has a space.
const answerTo = "answer to "

// EncodeSigned returns the bytes of a Beat or ReleaseRequest that is sent on a subject, or of the answer to one that was. Without
// a signer it is not signed, and no node takes it.
func EncodeSigned(k Signer, subject string, m Message) ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil || k == nil {
		return data, err
	}
	text := SignedText(data)
	sig := k.SignAs(m.sender(), messageText(m, subject, text))
	if sig == "" {
		return nil, ErrNotSigned
	}
	return append(append(append(text, sigField...), sig...), sigEnd...), nil
}

// messageText is what is signed: what it is about, a line feed, and the message's bytes.
func messageText(m Message, subject string, text []byte) []byte {
	return fmt.Appendf(nil, "%s\n%s", m.about(subject), text)
}

// OpenBeat decodes a heartbeat that was sent on a subject. It returns an error unless the incarnation that it names signed it.
func OpenBeat(subject string, data []byte) (Beat, error) { return new(Beats).Open(subject, data) }

// Beats opens the heartbeats that one receiver gets. It is for one goroutine. The zero value has opened none.
//
// Anybody in the account can send heartbeats, and again those that he heard, as fast as NATS carries them. So what costs least is looked at first:
// whose key the signature bears, then the number, and only then the signature.
type Beats struct{ newest map[string]opened }

// opened is the newest heartbeat of an incarnation, and how often it came.
type opened struct {
	number uint64
	times  int
}

const (
	// maxBeatsOf bounds the incarnations of which the newest is remembered. Of more than that all are forgotten: their former heartbeats then cost
	// a check of their signature again.
	maxBeatsOf = 4096
	// maxTimes is how often a heartbeat is taken: who heard it may send it again, and be faster. The author is to be answered all the same.
	maxTimes = 2
)

// Open is OpenBeat, and takes of an incarnation no heartbeats from before the last one that it took, nor that one again and again.
func (o *Beats) Open(subject string, data []byte) (Beat, error) {
	if err := checkSigner(data); err != nil {
		return Beat{}, err
	}
	b, err := DecodeBeat(data)
	last := o.newest[b.ID]
	if err == nil && (b.Number < last.number || b.Number == last.number && last.times == maxTimes) {
		err = &FieldError{"number", fmt.Sprint(b.Number), fmt.Sprintf("more than %d: that one has arrived", last.number)}
	}
	if err == nil {
		err = checkSigned(&b, subject, data)
	}
	if err != nil {
		return Beat{}, err
	}
	if o.newest == nil || len(o.newest) >= maxBeatsOf {
		o.newest = map[string]opened{}
	}
	if last.number != b.Number {
		last = opened{number: b.Number}
	}
	last.times++
	o.newest[b.ID] = last
	return b, nil
}

// checkSigner says of a message, at the cost of a hash and a search, that it can't be signed by an incarnation that it names: it bears no signature, or
// one by the key of another.
func checkSigner(data []byte) error {
	_, sig := SplitSignature(data)
	if sig == "" {
		return &FieldError{"sig", "nothing", "the signature of the incarnation that the message names"}
	}
	public, _, ok := splitKey(sig)
	if !ok || !bytes.Contains(data, []byte(`"`+idOf(public)+`"`)) {
		return &FieldError{"sig", "another's signature", "that of the incarnation that the message names"}
	}
	return nil
}

// OpenBeatAnswer decodes the answer to a heartbeat that was sent on a subject. It returns an error unless it answers that
// one and the incarnation that it names as the coordinator signed it. Whether that one coordinates is another question.
func OpenBeatAnswer(subject string, b *Beat, data []byte) (BeatAnswer, error) {
	a, err := DecodeBeatAnswer(data)
	if err == nil && !a.Answers(b) {
		err = notAsked(a.To, a.Number, b.ID, b.Number)
	}
	if err == nil {
		err = checkSigned(&a, subject, data)
	}
	return a, err
}

// Answers reports whether an answer is one to that heartbeat.
func (a *BeatAnswer) Answers(b *Beat) bool { return a.To == b.ID && a.Number == b.Number }

// OpenReleaseRequest decodes a request for release that was sent on a subject. It returns an error unless the incarnation that
// it names signed it. Whether that one is a member is another question.
func OpenReleaseRequest(subject string, data []byte) (ReleaseRequest, error) {
	r, err := DecodeReleaseRequest(data)
	if err == nil {
		err = checkSigned(&r, subject, data)
	}
	return r, err
}

// OpenReleaseAnswer decodes the answer to a request for release that was sent on a subject. It returns an error unless it
// answers that one and the incarnation that it names signed it. Whether that one was asked is another question.
func OpenReleaseAnswer(subject string, r *ReleaseRequest, data []byte) (ReleaseAnswer, error) {
	a, err := DecodeReleaseAnswer(data)
	if err == nil && !a.Answers(r) {
		err = notAsked(a.To, a.Number, r.ID, r.Number)
	}
	if err == nil {
		err = checkSigned(&a, subject, data)
	}
	return a, err
}

// Answers reports whether an answer is one to that request.
func (a *ReleaseAnswer) Answers(r *ReleaseRequest) bool { return a.To == r.ID && a.Number == r.Number }

func notAsked(to string, n uint64, asker string, asked uint64) error {
	return &FieldError{"to", fmt.Sprintf("an answer to request %d of incarnation %s", n, Quote(to)), fmt.Sprintf("one to request %d of %q", asked, asker)}
}

func checkSigned(m Message, subject string, data []byte) error {
	text, sig := SplitSignature(data)
	switch {
	case sig == "":
		return &FieldError{"sig", "nothing", fmt.Sprintf("the signature of incarnation %q", m.sender())}
	case !verify(m.sender(), messageText(m, subject, text), sig):
		return &FieldError{"sig", "another's signature, or one of another message", fmt.Sprintf("that of incarnation %q", m.sender())}
	}
	return nil
}
