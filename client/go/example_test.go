package confreg_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"confreg.io/confreg"
)

func Example() {
	ctx := context.Background()
	client, err := confreg.New(confreg.Options{Addresses: []string{address}, Author: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	name := confreg.Name{Environment: "prod", Service: "example"}
	created, err := client.Create(ctx, name, []byte(`{"pool": 10}`), confreg.CreateOptions{Comment: "first"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", created.Config.Version, "by", created.Config.Author)
	// Output: version 1 by ada
}

// A change that is based on what was read, and made anew where somebody else was first.
func ExampleClient_Update() {
	ctx := context.Background()
	client, err := confreg.New(confreg.Options{Addresses: []string{address}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	name := confreg.Name{Environment: "prod", Service: "example-update"}
	if _, err := client.Create(ctx, name, []byte(`{"pool": 10}`), confreg.CreateOptions{}); err != nil {
		log.Fatal(err)
	}

	for {
		config, err := client.Get(ctx, name, confreg.GetOptions{})
		if err != nil {
			log.Fatal(err)
		}
		var value struct {
			Pool int `json:"pool"`
		}
		if err := config.Decode(&value); err != nil {
			log.Fatal(err)
		}
		result, err := client.Update(ctx, name, fmt.Appendf(nil, `{"pool": %d}`, 2*value.Pool),
			confreg.UpdateOptions{ExpectedVersion: config.Version})
		if errors.Is(err, confreg.ErrConflict) {
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Config.Version, string(result.Config.Data))
		break
	}
	// Output: 2 {"pool":20}
}

func ExampleClient_Patch() {
	ctx := context.Background()
	client, err := confreg.New(confreg.Options{Addresses: []string{address}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	name := confreg.Name{Environment: "prod", Service: "example-patch"}
	if _, err := client.Create(ctx, name, []byte(`{"pool": 10, "host": "db-1"}`), confreg.CreateOptions{}); err != nil {
		log.Fatal(err)
	}

	result, err := client.Patch(ctx, name, confreg.MergePatch([]byte(`{"pool": 20, "host": null}`)),
		confreg.UpdateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(result.Config.Data))
	// Output: {"pool":20}
}

func ExampleClient_Watch() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := confreg.New(confreg.Options{Addresses: []string{address}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	name := confreg.Name{Environment: "prod", Service: "example-watch"}
	if _, err := client.Create(ctx, name, []byte(`{"pool": 10}`), confreg.CreateOptions{}); err != nil {
		log.Fatal(err)
	}

	options := confreg.WatchOptions{Selectors: []confreg.Selector{{Environment: "prod", Service: name.Service}}}
	for update, err := range client.Watch(ctx, options) {
		if err != nil {
			log.Fatal(err)
		}
		for _, change := range update.Changes {
			if change.Deleted() {
				fmt.Println(change.Service, "was deleted")
				return
			}
			fmt.Println(change.Service, change.Config.Version, string(change.Config.Data))
		}
		if update.First {
			if _, err := client.Delete(ctx, name, confreg.DeleteOptions{}); err != nil {
				log.Fatal(err)
			}
		}
	}
	// Output:
	// example-watch 1 {"pool":10}
	// example-watch was deleted
}

func ExampleNewProvider() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := confreg.New(confreg.Options{Addresses: []string{address}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	name := confreg.Name{Environment: "prod", Service: "example-provider"}
	if _, err := client.Create(ctx, name, []byte(`{"pool": 10, "db": {"hosts": ["db-1"]}}`),
		confreg.CreateOptions{}); err != nil {
		log.Fatal(err)
	}

	config := confreg.NewProvider(ctx, client, name, confreg.ProviderOptions{})
	defer config.Close()
	if err := config.WaitReady(ctx); err != nil {
		log.Println("going on with defaults:", err)
	}
	fmt.Println(config.Int("pool", 5), config.String("/db/hosts/0", "localhost"),
		config.Duration("timeout", 3*time.Second))
	// Output: 10 db-1 3s
}

// What takes a Getter is tested without a registry.
func ExampleParseValues() {
	size := func(config confreg.Getter) int64 { return 2 * config.Int("pool", 5) }
	values, err := confreg.ParseValues([]byte(`{"pool": 10}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(size(values))
	// Output: 20
}
