package confreg

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// patience is how long a test waits for what has to come. Only a defect makes it wait so long.
const patience = 60 * time.Second

// fakeServer answers what a test says.
type fakeServer struct {
	pb.UnimplementedRegistryServiceServer
	address string
	onWatch func(*pb.WatchRequest, grpc.ServerStreamingServer[pb.WatchResponse]) error
	onGet   func(context.Context, *pb.GetConfigRequest) (*pb.GetConfigResponse, error)
	onWrite func(context.Context, *pb.UpdateConfigRequest) (*pb.UpdateConfigResponse, error)
	onMany  func(context.Context, *pb.WriteConfigsRequest) (*pb.WriteConfigsResponse, error)
}

func (f *fakeServer) Watch(request *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	return f.onWatch(request, stream)
}

func (f *fakeServer) GetConfig(ctx context.Context, request *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
	return f.onGet(ctx, request)
}

func (f *fakeServer) UpdateConfig(ctx context.Context, request *pb.UpdateConfigRequest) (*pb.UpdateConfigResponse, error) {
	return f.onWrite(ctx, request)
}

func (f *fakeServer) WriteConfigs(ctx context.Context, request *pb.WriteConfigsRequest) (*pb.WriteConfigsResponse, error) {
	return f.onMany(ctx, request)
}

// serve starts the server on a free port, until the test's end.
func (f *fakeServer) serve(t *testing.T, options ...grpc.ServerOption) *fakeServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	server := grpc.NewServer(options...)
	pb.RegisterRegistryServiceServer(server, f)
	var served sync.WaitGroup
	served.Add(1)
	go func() {
		defer served.Done()
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		served.Wait()
	})
	return f
}

// clientOf returns a client that does not wait long before it repeats.
func clientOf(t *testing.T, options Options) *Client {
	t.Helper()
	if options.Timeout == 0 {
		options.Timeout = patience
	}
	client, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	client.conn.firstWait = time.Millisecond
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// failure is an error as the server makes them.
func failure(code codes.Code, reason string, details ...protoadapt.MessageV1) error {
	all := append([]protoadapt.MessageV1{&errdetails.ErrorInfo{Domain: "confreg", Reason: reason,
		Metadata: map[string]string{"current_version": "7"}}}, details...)
	made, err := status.New(code, "the server says so").WithDetails(all...)
	if err != nil {
		panic(err)
	}
	return made.Err()
}

// nobody returns an address where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// noLeaks fails the test if it leaves goroutines behind. It is called first, so that it looks last.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		var left []string
		gone := func() bool {
			left = slices.DeleteFunc(goroutines(), func(g string) bool { return slices.Contains(before, g) })
			return len(left) == 0
		}
		for deadline := time.Now().Add(patience); !gone(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
				return
			}
		}
	})
}

// goroutines returns where each goroutine was made.
func goroutines() []string {
	buffer := make([]byte, 1<<20)
	buffer = buffer[:runtime.Stack(buffer, true)]
	all := strings.Split(string(buffer), "\n\n")
	for i, stack := range all {
		number, _, _ := strings.Cut(stack, " [")
		_, made, _ := strings.Cut(stack, "created by ")
		all[i] = number + " " + made
	}
	return all
}

// ---- A registry's log ----

const epoch = "0123456789abcdef"

// testLog is a log of commits on one config, as a server would keep it.
type testLog struct {
	epoch   string
	commits [][]*pb.Event
}

func (l *testLog) position(revision int) *pb.Position {
	return &pb.Position{Epoch: l.epoch, Revision: uint64(revision),
		Token: fmt.Sprintf("%s:%d", l.epoch, revision)}
}

// commit adds a commit that sets these services of environment prod to their version.
func (l *testLog) commit(services ...string) {
	revision := uint64(len(l.commits) + 1)
	var events []*pb.Event
	for i, service := range services {
		events = append(events, &pb.Event{Kind: pb.ChangeKind_CHANGE_KIND_UPDATE, Environment: "prod",
			ServiceName: service, Version: revision, HeadVersion: revision, Revision: revision, Index: uint32(i),
			Config: configAt("prod", service, revision)})
	}
	l.commits = append(l.commits, events)
}

func configAt(environment, service string, version uint64) *pb.Config {
	return &pb.Config{Environment: environment, ServiceName: service, Version: version, Revision: version,
		ModRevision: version, Kind: pb.ChangeKind_CHANGE_KIND_UPDATE,
		ConfigData: fmt.Appendf(nil, `{"n":%d}`, version)}
}

// resumeFrom returns the revision of a request's position.
func resumeFrom(request *pb.WatchRequest) int {
	var revision int
	_, _ = fmt.Sscanf(request.ResumeAfter.GetToken(), epoch+":%d", &revision)
	return revision
}
