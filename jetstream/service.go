package jetstream

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nuid"
)

// service is this node as a NATS service: it counts what its endpoints are asked, and answers those who look for
// services (`nats micro`). nats.go's own, micro.AddService, answers them on whatever subject they name, without asking
// anybody: so only its names and types are used here.
type service struct {
	s           *Session
	identity    micro.ServiceIdentity
	description string
	started     time.Time

	mu        sync.Mutex
	endpoints []*micro.EndpointStats // in the order in which they were added
}

// newService returns a service that nobody can find yet.
func newService(s *Session) *service {
	meta := maps.Clone(s.cfg.Control.Labels)
	if meta == nil {
		meta = map[string]string{}
	}
	meta["hub"], meta["node"], meta["incarnation"] = s.cfg.Hub, s.cfg.Node, s.cfg.Incarnation
	return &service{
		s: s, description: s.cfg.Control.Description, started: time.Now().UTC(),
		identity: micro.ServiceIdentity{Name: serviceName, ID: nuid.Next(), Version: s.cfg.Control.Version, Metadata: meta},
	}
}

// add takes requests on a subject, in a queue group with all other nodes. So many bytes of them may wait.
func (svc *service) add(name, subject string, bytes int, handle nats.MsgHandler) error {
	e := &micro.EndpointStats{Name: name, Subject: subject, QueueGroup: micro.DefaultQueueGroup}
	svc.mu.Lock()
	svc.endpoints = append(svc.endpoints, e)
	svc.mu.Unlock()
	sub, err := svc.s.nc.QueueSubscribe(subject, micro.DefaultQueueGroup, func(m *nats.Msg) {
		began := time.Now()
		handle(m)
		svc.count(e, time.Since(began))
	})
	sub, err = limited(subject, pending{roomAskers, bytes}, sub, err)
	if err == nil {
		svc.s.endpoints = append(svc.s.endpoints, sub)
	}
	return err
}

func (svc *service) count(e *micro.EndpointStats, took time.Duration) {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	e.NumRequests++
	e.ProcessingTime += took
	e.AverageProcessingTime = e.ProcessingTime / time.Duration(e.NumRequests)
}

// show answers those who look for all services, for those of this name, or for this one.
func (svc *service) show() error {
	for verb, answer := range map[micro.Verb]func() any{micro.PingVerb: svc.ping, micro.InfoVerb: svc.info, micro.StatsVerb: svc.stats} {
		for _, of := range [][2]string{{"", ""}, {svc.identity.Name, ""}, {svc.identity.Name, svc.identity.ID}} {
			subject, err := micro.ControlSubject(verb, of[0], of[1])
			if err == nil {
				_, err = svc.s.subscribe(subject, hintsPending, func(m *nats.Msg) { svc.answer(m, answer()) })
			}
			if err != nil {
				return fmt.Errorf("answer those who look for services: %w", err)
			}
		}
	}
	return nil
}

func (svc *service) answer(m *nats.Msg, a any) {
	data, err := json.Marshal(a)
	if err == nil {
		err = svc.s.reply(m.Reply, nil, data)
	}
	if err != nil {
		svc.s.log.Debug("answer who looks for services", "error", err)
	}
}

func (svc *service) ping() any {
	return micro.Ping{ServiceIdentity: svc.identity, Type: micro.PingResponseType}
}

func (svc *service) info() any {
	i := micro.Info{ServiceIdentity: svc.identity, Type: micro.InfoResponseType, Description: svc.description, Endpoints: []micro.EndpointInfo{}}
	svc.mu.Lock()
	defer svc.mu.Unlock()
	for _, e := range svc.endpoints {
		i.Endpoints = append(i.Endpoints, micro.EndpointInfo{Name: e.Name, Subject: e.Subject, QueueGroup: e.QueueGroup})
	}
	return i
}

func (svc *service) stats() any {
	st := micro.Stats{ServiceIdentity: svc.identity, Type: micro.StatsResponseType, Started: svc.started, Endpoints: []*micro.EndpointStats{}}
	svc.mu.Lock()
	defer svc.mu.Unlock()
	for _, e := range svc.endpoints {
		now := *e
		st.Endpoints = append(st.Endpoints, &now)
	}
	return st
}
