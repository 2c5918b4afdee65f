// Command conformance is the client under test of tests/conformance, on top of package confreg: it
// watches the environment prod, tells on its standard output what the package reports, and makes the
// calls that it reads from its standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"confreg.io/confreg"

	"google.golang.org/grpc/codes"
)

const environment = "prod"

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: conformance HOST:PORT[,HOST:PORT]")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(addresses string) error {
	options := confreg.Options{Addresses: strings.Split(addresses, ","), TokenFile: os.Getenv("CONFORMANCE_TOKEN_FILE")}
	if file := os.Getenv("CONFORMANCE_CA_FILE"); file != "" {
		options.TLS = &confreg.TLS{CAFile: file}
	}
	client, err := confreg.New(options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var work sync.WaitGroup
	work.Add(1)
	go func() {
		defer work.Done()
		watch(ctx, client)
	}()
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		var c command
		if err := json.Unmarshal(commands.Bytes(), &c); err != nil {
			return err
		}
		work.Add(1)
		go func() {
			defer work.Done()
			c.obey(ctx, client)
		}()
	}
	cancel()
	work.Wait()
	return errors.Join(commands.Err(), client.Close())
}

// line is what is told.
type line struct {
	Event       string          `json:"event"`
	Kind        confreg.Kind    `json:"kind,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Service     string          `json:"service,omitempty"`
	Version     uint64          `json:"version"`
	Data        json.RawMessage `json:"data"`
	Revision    uint64          `json:"revision"`
	Synthetic   bool            `json:"synthetic"`
	Code        string          `json:"code,omitempty"`
	Reason      string          `json:"reason"`
}

var output sync.Mutex

func say(l line) {
	text, err := json.Marshal(l)
	if err != nil {
		log.Fatal(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(text))
}

// about adds what is known of a config; nil: there is none.
func (l line) about(name confreg.Name, config *confreg.Config) line {
	l.Environment, l.Service = name.Environment, name.Service
	if config != nil {
		l.Version, l.Data = config.Version, config.Data
	}
	return l
}

func (l line) of(err error) line {
	var e *confreg.Error
	if errors.As(err, &e) {
		l.Code, l.Reason = codeName(e.Code), e.Reason
	}
	return l
}

// codeName is that of the protocol, which the String of Go is not.
func codeName(code codes.Code) string {
	names := [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
		"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
		"OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}
	if int(code) < len(names) {
		return names[code]
	}
	return "UNKNOWN"
}

func watch(ctx context.Context, client *confreg.Client) {
	options := confreg.WatchOptions{
		Selectors:   []confreg.Selector{{Environment: environment}},
		OnConnect:   func() { say(line{Event: "connected"}) },
		OnInterrupt: func(err error) { say(line{Event: "interrupted"}.of(err)) },
	}
	for update, err := range client.Watch(ctx, options) {
		if err != nil {
			if ctx.Err() == nil {
				log.Println(err)
			}
			return
		}
		for i := range update.Changes {
			tell(&update.Changes[i], update)
		}
		if update.First {
			say(line{Event: "ready"})
		}
	}
}

func tell(change *confreg.Change, update *confreg.Update) {
	l := line{Event: "change", Kind: change.Kind, Revision: change.Revision, Synthetic: update.Synthetic}
	if update.First {
		l = line{Event: "snapshot"}
	}
	say(l.about(change.Name, change.Config))
}

type command struct {
	Do          string          `json:"do"`
	Environment string          `json:"environment"`
	Service     string          `json:"service"`
	Data        json.RawMessage `json:"data"`
	DeadlineMS  int             `json:"deadline_ms"`
}

func (c *command) obey(ctx context.Context, client *confreg.Client) {
	if c.DeadlineMS > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.DeadlineMS)*time.Millisecond)
		defer cancel()
	}
	config, err := c.call(ctx, client)
	if err != nil {
		say(line{Event: "failed"}.of(err))
		return
	}
	say(line{Event: "result"}.about(config.Name, config))
}

func (c *command) call(ctx context.Context, client *confreg.Client) (*confreg.Config, error) {
	name := confreg.Name{Environment: c.Environment, Service: c.Service}
	switch c.Do {
	case "get":
		return client.Get(ctx, name, confreg.GetOptions{})
	case "update":
		result, err := client.Update(ctx, name, c.Data, confreg.UpdateOptions{})
		if err != nil {
			return nil, err
		}
		return result.Config, nil
	}
	return nil, fmt.Errorf("%q is no command", c.Do)
}
