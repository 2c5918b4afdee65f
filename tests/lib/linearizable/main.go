// Judges whether what clients of a registry saw can have happened one after the other, each between
// its call and its return. Reads operations from standard input, one JSON object a line (see
// tests/lib/linear.py); says "linearizable" or what is wrong.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const patience = 60 * time.Second

type operation struct {
	Client       int
	Kind         string
	Service      string
	Call         int64
	Returned     int64
	Outcome      string
	Value        string
	Version      uint64
	Expected     uint64
	AllowMissing bool `json:"allow_missing"`
	Tested       string
	Part         bool
}

// One config. Numbers are given once, also over a delete, which leaves the value for an undelete.
type config struct {
	head, last uint64
	value      string
}

func (c config) next(o operation) config {
	return config{head: c.last + 1, last: c.last + 1, value: o.Value}
}

// What a write does where it is carried out; false: it is refused.
func (c config) write(o operation) (config, bool) {
	switch o.Kind {
	case "create":
		return c.next(o), c.head == 0
	case "update":
		expected := o.Expected == 0 || o.Expected == c.head
		tested := o.Tested == "" || o.Tested == c.value
		return c.next(o), expected && (c.head != 0 && tested || o.AllowMissing)
	case "delete":
		return config{last: c.last, value: c.value}, c.head != 0
	case "undelete":
		back := config{head: c.last + 1, last: c.last + 1, value: c.value}
		return back, c.head == 0 && c.last != 0 && (o.Value == "" || o.Value == c.value)
	}
	panic("an operation of kind " + o.Kind)
}

// An operation without an answer has its place at any time behind its call, also after everything
// else, where it changes nothing any more.
func step(state, input, _ interface{}) (bool, interface{}) {
	c, o := state.(config), input.(operation)
	if o.Kind == "get" {
		matches := o.Version == c.head && (c.head == 0 || o.Value == c.value)
		return o.Outcome == "unknown" || matches, c
	}
	after, done := c.write(o)
	switch {
	case o.Outcome == "unknown" && done:
		return true, after
	case o.Outcome == "unknown":
		return true, c
	case o.Outcome == "refused":
		return !done || o.Part, c
	}
	return done && (o.Kind == "delete" || o.Version == after.head), after
}

func byService(history []porcupine.Operation) [][]porcupine.Operation {
	parts := map[string][]porcupine.Operation{}
	for _, o := range history {
		service := o.Input.(operation).Service
		parts[service] = append(parts[service], o)
	}
	var all [][]porcupine.Operation
	for _, part := range parts {
		all = append(all, part)
	}
	return all
}

var model = porcupine.Model{
	Partition: byService,
	Init:      func() interface{} { return config{} },
	Step:      step,
}

func read() ([]porcupine.Operation, error) {
	var history []porcupine.Operation
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, err
		}
		end := o.Returned
		if o.Outcome == "unknown" {
			if o.Kind == "get" {
				continue
			}
			end = math.MaxInt64
		}
		history = append(history, porcupine.Operation{
			ClientId: o.Client, Input: o, Call: o.Call, Output: o, Return: end})
	}
	return history, lines.Err()
}

func main() {
	history, err := read()
	if err != nil {
		fmt.Println("cannot read operations:", err)
		os.Exit(2)
	}
	for _, part := range byService(history) {
		service := part[0].Input.(operation).Service
		if result := porcupine.CheckOperationsTimeout(model, part, patience); result != porcupine.Ok {
			fmt.Printf("%s: %s, of %d operations\n", service, result, len(part))
			os.Exit(1)
		}
	}
	fmt.Printf("linearizable: %d operations\n", len(history))
}
