package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/e2e/register"
)

// registers is a worker that keeps registers: see package register.
type registers struct{ memory *register.Register }

func newRegisters(store string) *registers {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 10 * time.Second}
	return &registers{memory: register.New(remote{client, store})}
}

// Handle carries out one request, in the epoch in which it came. It does not look at ctx: it is the
// store that refuses a late write, not the worker.
func (w *registers) Handle(_ context.Context, m *phub.Message) ([]byte, error) {
	var q register.Request
	if err := json.Unmarshal(m.Data, &q); err != nil {
		return nil, err
	}
	a, err := w.memory.Do(m.Epoch, q)
	if errors.Is(err, register.ErrFenced) {
		return nil, &phub.HandlerError{Code: register.CodeFenced, Message: err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(a)
}

// remote is the store, which another process keeps.
type remote struct {
	client *http.Client
	url    string
}

func (r remote) Open(name string, epoch uint64) (int64, error) {
	return r.call("open", register.Stored{Register: name, Epoch: epoch})
}

func (r remote) Write(name string, epoch uint64, value int64) error {
	_, err := r.call("write", register.Stored{Register: name, Epoch: epoch, Value: value})
	return err
}

func (r remote) call(what string, s register.Stored) (int64, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	resp, err := r.client.Post(r.url+"/"+what, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return 0, err
	case resp.StatusCode == register.CodeFenced:
		return 0, register.ErrFenced
	case resp.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("store: %s: %s", resp.Status, text)
	}
	err = json.Unmarshal(text, &s)
	return s.Value, err
}
