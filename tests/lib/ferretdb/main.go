// Serves MongoDB's protocol on the address given, with its data in the folder given, until SIGTERM:
// a server for tests. With files of a certificate and its key, over TLS; with a third one, of
// authorities, clients have to show a certificate of theirs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func listener(address string, files []string) ferretdb.ListenerConfig {
	if len(files) == 0 {
		return ferretdb.ListenerConfig{TCP: address}
	}
	config := ferretdb.ListenerConfig{TLS: address, TLSCertFile: files[0], TLSKeyFile: files[1]}
	if len(files) > 2 {
		config.TLSCAFile = files[2]
	}
	return config
}

func run(address, folder string, files []string) error {
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  listener(address, files),
		Handler:   "sqlite",
		SQLiteURL: "file:" + folder + "/",
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return server.Run(ctx)
}

func main() {
	if len(os.Args) < 3 || len(os.Args) == 4 || len(os.Args) > 6 {
		fmt.Fprintln(os.Stderr, "usage: ferretdb ADDRESS FOLDER [CERTIFICATE KEY [AUTHORITIES]]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
