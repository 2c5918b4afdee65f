// A client of confreg in Go, on generated code, as an example and as a test: it creates a config, reads
// it, changes it on condition, and watches it over a restart of the server. Programs that need no code of
// their own for this take the module in client/go.
//
//	./generate ../../../build/confreg.protoset && go run . 127.0.0.1:50051
//	go run . registry.example:50051 ca.pem token    # with TLS and a token
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"time"

	pb "confreg-client/gen/confregv1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	environment = "prod"
	service     = "client-go"
	lastVersion = 4 // the test writes versions 3 and 4
	mostWait    = 15 * time.Second
)

func main() {
	if len(os.Args) != 2 && len(os.Args) != 4 {
		log.Fatal("usage: client ADDRESS [CA-FILE TOKEN-FILE]")
	}
	connection, err := connect(os.Args[1], os.Args[2:])
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	client := pb.NewRegistryServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := write(ctx, client); err != nil {
		log.Fatal(err)
	}
	follow(context.Background(), client)
}

// connect takes the files of the authority and of the token; none: without TLS.
func connect(address string, files []string) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		// Notices a server that hangs.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second}),
	}
	if len(files) == 0 {
		options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	} else {
		security, err := credentials.NewClientTLSFromFile(files[0], "")
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.WithTransportCredentials(security),
			grpc.WithPerRPCCredentials(tokenFile(files[1])))
	}
	return grpc.NewClient(address, options...)
}

// tokenFile is read for each call, so the token may be replaced.
type tokenFile string

func (t tokenFile) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := os.ReadFile(string(t))
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, nil
}

func (tokenFile) RequireTransportSecurity() bool {
	return true
}

func write(ctx context.Context, client pb.RegistryServiceClient) error {
	created, err := client.CreateConfig(ctx, &pb.CreateConfigRequest{
		Environment: environment, ServiceName: service, ConfigData: []byte(`{"pool":10}`),
		CreatedBy: "ada", RequestId: rand.Text()})
	if err != nil {
		return err
	}
	fmt.Println("created", created.Config.Version, created.Config.CreatedBy)

	read, err := client.GetConfig(ctx, &pb.GetConfigRequest{Environment: environment, ServiceName: service})
	if err != nil {
		return err
	}
	fmt.Println("read", string(read.Config.ConfigData))

	// Somebody else has changed it meanwhile, as far as this write knows.
	_, err = update(ctx, client, 7)
	if status.Code(err) != codes.Aborted {
		return fmt.Errorf("a conflict was due, not %v", err)
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			fmt.Println("conflict", info.Reason, info.Metadata["current_version"])
		}
	}

	updated, err := update(ctx, client, read.Config.Version)
	if err != nil {
		return err
	}
	fmt.Println("updated", updated.Config.Version)
	return nil
}

// update is safe to repeat with the same request id, where its outcome is unknown.
func update(ctx context.Context, client pb.RegistryServiceClient,
	expected uint64) (*pb.UpdateConfigResponse, error) {
	return client.UpdateConfig(ctx, &pb.UpdateConfigRequest{
		Environment: environment, ServiceName: service, ExpectedVersion: expected,
		RequestId: rand.Text(),
		Content:   &pb.UpdateConfigRequest_MergePatch{MergePatch: []byte(`{"pool":20}`)}})
}

// follow watches until the last version has come; no error ends it. It resumes after the last response that
// was handled, or begins with a snapshot again where that is no longer possible (a compaction, another log),
// and waits a random time before each attempt.
func follow(ctx context.Context, client pb.RegistryServiceClient) {
	var position *pb.Position // nil: begin with a snapshot
	bound := 200 * time.Millisecond
	for {
		after, done, err := watch(ctx, client, position)
		if done {
			return
		}
		switch status.Code(err) {
		case codes.OutOfRange, codes.FailedPrecondition:
			after = nil
		}
		fmt.Println("interrupted:", err)
		if after != position {
			bound = 200 * time.Millisecond
		}
		position = after
		time.Sleep(mathrand.N(bound))
		bound = min(2*bound, mostWait)
	}
}

// watch returns the position of the last response that was handled, and whether the last version has come.
func watch(ctx context.Context, client pb.RegistryServiceClient,
	position *pb.Position) (after *pb.Position, done bool, err error) {
	stream, err := client.Watch(ctx, &pb.WatchRequest{
		Selectors:        []*pb.Selector{{Environment: environment, ServiceName: service}},
		IncludeSnapshot:  position == nil,
		ResumeAfter:      position,
		ProgressInterval: durationpb.New(10 * time.Second)})
	if err != nil {
		return position, false, err
	}
	var events []*pb.Event // of a commit that may not be complete
	for {
		response, err := stream.Recv()
		if err != nil {
			return position, false, err
		}
		for _, config := range response.Configs {
			fmt.Println("snapshot", config.Version, string(config.ConfigData))
		}
		if response.Kind == pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END {
			fmt.Println("watching")
		}
		events = append(events, response.Events...)
		if response.More {
			continue // the commit goes on in the next response
		}
		for _, event := range events {
			fmt.Println("event", event.Version, string(event.Config.GetConfigData()))
			done = done || event.Version == lastVersion
		}
		events = nil
		if response.Header.Revision > 0 { // 0: the snapshot is not complete
			position = response.Header
		}
		if done {
			return position, true, nil
		}
	}
}
