package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type req struct {
	app        *app
	id         string
	payload    string
	headers    []string
	idempotent bool
	raw        bool

	options []phub.RequestOption
}

func (a *app) addReq(cli *fisk.Application) {
	c := &req{app: a}
	cmd := cli.Command("req", "Send a request to the active replica of a child").Alias("request").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.HelpLong("Prints the reply. The request is sent again, until the time is over, when nobody received it or when " +
		"the replica may not serve at that moment; how often is said on stderr. On a terminal the reply's control characters " +
		"are shown, not obeyed; a file or a pipe gets the reply byte by byte.")
	cmd.Arg("id", "Name of the child").Required().StringVar(&c.id)
	cmd.Arg("payload", "What to send; - reads it from stdin").StringVar(&c.payload)
	cmd.Flag("header", "Header to send along, as Name:value").Short('H').PlaceHolder("K:V").StringsVar(&c.headers)
	cmd.Flag("idempotent", "The request may be handled twice: send it again also when no answer comes").UnNegatableBoolVar(&c.idempotent)
	cmd.Flag("raw", "Print the reply as it is: without a line break at its end, and on a terminal with its control characters").UnNegatableBoolVar(&c.raw)
}

func (c *req) run(ctx context.Context, client *phub.Client) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	began := time.Now()
	reply, err := client.Request(ctx, c.id, data, c.options...)
	if err != nil {
		return err
	}
	return c.show(reply, time.Since(began))
}

func (c *req) data() ([]byte, error) {
	if c.payload != stdinMark {
		return []byte(c.payload), nil
	}
	data, err := io.ReadAll(c.app.in)
	if err != nil {
		return nil, fmt.Errorf("read stdin: %w", err)
	}
	return data, nil
}

func (c *req) check() error {
	if err := protocol.ValidateChild(c.id); err != nil {
		return inFlags(err, nil)
	}
	if c.idempotent {
		c.options = append(c.options, phub.Idempotent())
	}
	header := nats.Header{}
	for _, h := range c.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || name == "" {
			return usagef("--header: found %q, want NAME:VALUE", h)
		}
		header.Add(name, strings.TrimSpace(value))
	}
	if len(header) > 0 {
		c.options = append(c.options, phub.WithHeader(header))
	}
	return nil
}

// reqJSON is a reply for programs. Data that is no UTF-8 comes as base64.
type reqJSON struct {
	Child   string      `json:"child"`
	Data    *string     `json:"data,omitempty"`
	Base64  []byte      `json:"data_base64,omitempty"`
	Header  nats.Header `json:"header,omitempty"`
	Node    string      `json:"node"`
	Epoch   uint64      `json:"epoch"`
	Retries int         `json:"retries"`
	Millis  float64     `json:"ms"`
}

func (c *req) show(r *phub.Reply, took time.Duration) error {
	if c.app.json {
		out := reqJSON{Child: c.id, Header: r.Header, Node: r.Node, Epoch: r.Epoch, Retries: r.Retries, Millis: millis(took)}
		if utf8.Valid(r.Data) {
			s := string(r.Data)
			out.Data = &s
		} else {
			out.Base64 = r.Data
		}
		return c.app.printJSON(out)
	}
	if r.Retries > 0 {
		c.app.warnf("phub: sent again %s before %s answered\n", plural(r.Retries, "time", "times"), dash(r.Node))
	}
	data := r.Data
	switch {
	case c.raw:
	case c.app.screen:
		return c.app.printLine(payload(data))
	case !bytes.HasSuffix(data, []byte("\n")):
		data = append(bytes.Clone(data), '\n')
	}
	_, err := c.app.out.Write(data)
	return err
}
