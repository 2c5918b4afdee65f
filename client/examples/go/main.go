// A client of confreg in Go, as an example and as a test: it creates a config, changes it on
// condition, and watches it over a restart of the server.
//
//	./generate ../../../build/confreg.protoset && go run . 127.0.0.1:50051
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	pb "confreg-client/gen/confregv1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const (
	environment = "prod"
	service     = "client-go"
	lastVersion = 4 // the test writes versions 3 and 4
)

func main() {
	connection, err := grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
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
	if err := follow(ctx, client); err != nil {
		log.Fatal(err)
	}
}

func write(ctx context.Context, client pb.RegistryServiceClient) error {
	created, err := client.CreateConfig(ctx, &pb.CreateConfigRequest{
		Environment: environment, ServiceName: service, ConfigData: []byte(`{"pool":10}`),
		CreatedBy: "ada"})
	if err != nil {
		return err
	}
	fmt.Println("created", created.Config.Version, created.Config.CreatedBy)

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

	updated, err := update(ctx, client, created.Config.Version)
	if err != nil {
		return err
	}
	fmt.Println("updated", updated.Config.Version)
	return nil
}

func update(ctx context.Context, client pb.RegistryServiceClient,
	expected uint64) (*pb.UpdateConfigResponse, error) {
	return client.UpdateConfig(ctx, &pb.UpdateConfigRequest{
		Environment: environment, ServiceName: service, ExpectedVersion: expected,
		Content: &pb.UpdateConfigRequest_MergePatch{MergePatch: []byte(`{"pool":20}`)}})
}

// follow watches until the last version has come. The header of each response is the position to
// resume after.
func follow(ctx context.Context, client pb.RegistryServiceClient) error {
	selectors := []*pb.Selector{{Environment: environment, ServiceName: service}}
	request := &pb.WatchRequest{Selectors: selectors, IncludeSnapshot: true}
	for {
		position, err := watch(ctx, client, request)
		if status.Code(err) != codes.Unavailable {
			return err
		}
		fmt.Println("interrupted")
		if position != nil {
			request = &pb.WatchRequest{Selectors: selectors, ResumeAfter: position}
		}
	}
}

// watch returns the position of the last response that was handled.
func watch(ctx context.Context, client pb.RegistryServiceClient,
	request *pb.WatchRequest) (position *pb.Position, err error) {
	stream, err := client.Watch(ctx, request)
	if err != nil {
		return request.ResumeAfter, err
	}
	position = request.ResumeAfter
	for {
		response, err := stream.Recv()
		if err != nil {
			return position, err
		}
		for _, config := range response.Configs {
			fmt.Println("snapshot", config.Version, string(config.ConfigData))
		}
		for _, event := range response.Events {
			fmt.Println("event", event.Version, string(event.Config.GetConfigData()))
			if event.Version == lastVersion {
				return position, nil
			}
		}
		if response.Header.Revision > 0 { // 0: the snapshot is not complete
			position = response.Header
		}
		if response.Kind == pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END {
			fmt.Println("watching")
		}
	}
}
