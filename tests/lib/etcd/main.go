// etcd as its own project builds it: a program of its module's etcdmain, for scripts/bench.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
