package confreg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

var billing = Name{"prod", "billing"}

func TestAWriteIsRepeatedWithItsID(t *testing.T) {
	noLeaks(t)
	var ids []string
	server := (&fakeServer{onWrite: func(_ context.Context, r *pb.UpdateConfigRequest) (*pb.UpdateConfigResponse, error) {
		ids = append(ids, r.RequestId)
		switch len(ids) {
		case 1:
			return nil, failure(codes.Unavailable, "OUTCOME_UNKNOWN")
		case 2:
			return nil, status.Error(codes.Unavailable, "the connection broke")
		case 3:
			return nil, failure(codes.Unavailable, "AUDIT_UNAVAILABLE",
				&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
		}
		return &pb.UpdateConfigResponse{Config: configAt("prod", "billing", 2)}, nil
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	result, err := client.Update(t.Context(), billing, []byte(`{}`), UpdateOptions{})
	if err != nil || result.Config.Version != 2 {
		t.Fatal(result, err)
	}
	if len(ids) != 4 || len(slices.Compact(ids)) != 1 || len(ids[0]) < 20 {
		t.Error("not one id for all attempts:", ids)
	}
}

func TestAnIDOfTheCallerIsKept(t *testing.T) {
	var got string
	server := (&fakeServer{onWrite: func(_ context.Context, r *pb.UpdateConfigRequest) (*pb.UpdateConfigResponse, error) {
		got = r.RequestId
		return &pb.UpdateConfigResponse{}, nil
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	if _, err := client.Update(t.Context(), billing, nil, UpdateOptions{RequestID: "mine"}); err != nil || got != "mine" {
		t.Error(got, err)
	}
}

func TestIndependentWritesHaveAnIDEach(t *testing.T) {
	var ids []string
	server := (&fakeServer{onMany: func(_ context.Context, r *pb.WriteConfigsRequest) (*pb.WriteConfigsResponse, error) {
		for _, write := range r.Writes {
			ids = append(ids, write.GetCreate().GetRequestId()+write.GetDelete().GetRequestId())
		}
		return &pb.WriteConfigsResponse{}, nil
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	request := &pb.WriteConfigsRequest{Writes: []*pb.Write{
		{Write: &pb.Write_Create{Create: &pb.CreateConfigRequest{}}},
		{Write: &pb.Write_Delete{Delete: &pb.DeleteConfigRequest{}}}, {}}}
	if _, err := client.Service().WriteConfigs(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if len(ids) != 3 || ids[0] == "" || ids[1] == "" || ids[0] == ids[1] || ids[2] != "" {
		t.Error(ids)
	}
	if request.Writes[0].GetCreate().RequestId != "" {
		t.Error("the caller's message was changed")
	}
}

func TestWhatIsForGoodIsNotRepeated(t *testing.T) {
	for _, code := range []codes.Code{codes.Aborted, codes.NotFound, codes.InvalidArgument,
		codes.PermissionDenied, codes.FailedPrecondition, codes.ResourceExhausted, codes.Internal} {
		calls := 0
		server := (&fakeServer{onWrite: func(context.Context, *pb.UpdateConfigRequest) (*pb.UpdateConfigResponse, error) {
			calls++
			return nil, failure(code, "A_REASON")
		}}).serve(t)
		client := clientOf(t, Options{Addresses: []string{server.address}})
		_, err := client.Update(t.Context(), billing, nil, UpdateOptions{})
		if !errors.Is(err, &Error{Code: code, Reason: "A_REASON"}) || calls != 1 {
			t.Error(code, calls, err)
		}
	}
}

func TestTheNextAddressIsUsedWhileOneIsAway(t *testing.T) {
	noLeaks(t)
	get := func(context.Context, *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		return &pb.GetConfigResponse{Config: configAt("prod", "billing", 1)}, nil
	}
	broken := (&fakeServer{onGet: func(context.Context, *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		return nil, failure(codes.Unavailable, "STORE_UNAVAILABLE")
	}}).serve(t)
	hanging := (&fakeServer{onGet: func(ctx context.Context, _ *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}).serve(t)
	good := (&fakeServer{onGet: get}).serve(t)
	for name, bad := range map[string]string{
		"nobody": nobody(t), "broken": broken.address, "hanging": hanging.address} {
		client := clientOf(t, Options{Addresses: []string{bad, good.address}, Timeout: 4 * time.Second})
		client.conn.at = 0
		if _, err := client.Get(t.Context(), billing, GetOptions{}); err != nil {
			t.Error(name, err)
		}
		if client.conn.at != 1 {
			t.Error(name, "it does not stay with the one that works")
		}
	}
}

// endable is a context whose deadline comes when a test says so.
type endable struct {
	context.Context
	ended chan struct{}
}

func (e endable) Deadline() (time.Time, bool) { return time.Now().Add(time.Hour), true }
func (e endable) Done() <-chan struct{}       { return e.ended }
func (e endable) Err() error {
	select {
	case <-e.ended:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	noLeaks(t)
	late := endable{t.Context(), make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	server := (&fakeServer{onGet: func(ctx context.Context, _ *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		switch calls++; calls {
		case 1:
			return nil, failure(codes.Unavailable, "STORE_UNAVAILABLE")
		case 2:
			close(late.ended)
		case 3:
			cancel()
		case 4:
			return nil, failure(codes.Unavailable, "LATER", &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	if _, err := client.Get(late, billing, GetOptions{}); !errors.Is(err, ErrUnavailable) {
		t.Error("it does not say what was in the way:", err)
	}
	if _, err := client.Get(ctx, billing, GetOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := client.Get(t.Context(), billing, GetOptions{}); !errors.Is(err, ErrUnavailable) || calls != 4 {
		t.Error("it does not end at once where the time is too short for another attempt:", err)
	}
}

func TestCallsOfAClosedClient(t *testing.T) {
	noLeaks(t)
	entered := make(chan struct{})
	server := (&fakeServer{onGet: func(ctx context.Context, _ *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	go func() {
		<-entered
		_ = client.Close()
	}()
	if _, err := client.Get(t.Context(), billing, GetOptions{}); !errors.Is(err, ErrClosed) {
		t.Error("a call that was open:", err)
	}
	if _, err := client.Get(t.Context(), billing, GetOptions{}); !errors.Is(err, ErrClosed) {
		t.Error("a later one:", err)
	}
}

// A server that goes away under many callers: each of them comes through, and no connection is left.
func TestManyCallersOverFailures(t *testing.T) {
	noLeaks(t)
	var n atomic.Int64
	server := (&fakeServer{onGet: func(context.Context, *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		if n.Add(1)%3 == 0 {
			return nil, status.Error(codes.Unavailable, "away")
		}
		return &pb.GetConfigResponse{}, nil
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address, server.address}})
	var callers sync.WaitGroup
	for range 16 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for range 20 {
				if _, err := client.Get(t.Context(), billing, GetOptions{}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	callers.Wait()
	if open := len(client.conn.links); open > 1 {
		t.Error(open, "connections are open")
	}
}

func TestTheTokenIsReadForEachCall(t *testing.T) {
	var got []string
	server := (&fakeServer{onGet: func(ctx context.Context, _ *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		sent, _ := metadata.FromIncomingContext(ctx)
		got = append(got, sent.Get("authorization")...)
		return &pb.GetConfigResponse{}, nil
	}}).serve(t)
	path := filepath.Join(t.TempDir(), "token")
	put := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("one\n")
	client := clientOf(t, Options{Addresses: []string{server.address}, TokenFile: path})
	for _, text := range []string{"one", "two"} {
		put(text)
		if _, err := client.Get(t.Context(), billing, GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []string{"Bearer one", "Bearer two"}) {
		t.Error(got)
	}
	put("")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := client.Get(ctx, billing, GetOptions{}); !errors.Is(err, ErrUnavailable) {
		t.Error("without its token:", err)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	folder := t.TempDir()
	token := filepath.Join(folder, "token")
	if err := os.WriteFile(token, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]Options{
		"no address":             {},
		"no port":                {Addresses: []string{"localhost"}},
		"a scheme":               {Addresses: []string{"https://localhost:1"}},
		"no path":                {Addresses: []string{"unix:"}},
		"a token in the clear":   {Addresses: []string{"localhost:1", "registry.example:1"}, TokenFile: token},
		"no file of the token":   {Addresses: []string{"localhost:1"}, TokenFile: folder + "/none"},
		"no file of authorities": {Addresses: []string{"localhost:1"}, TLS: &TLS{CAFile: folder + "/none"}},
		"no authorities in it":   {Addresses: []string{"localhost:1"}, TLS: &TLS{CAFile: token}},
		"no key":                 {Addresses: []string{"localhost:1"}, TLS: &TLS{CertFile: token}},
	} {
		if client, err := New(options); err == nil {
			t.Error(name, "was taken:", client)
		}
	}
	for name, options := range map[string]Options{
		"loopback": {Addresses: []string{"127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/run/x"}, TokenFile: token},
		"TLS":      {Addresses: []string{"registry.example:1"}, TokenFile: token, TLS: &TLS{}},
		"wanted":   {Addresses: []string{"registry.example:1"}, TokenFile: token, TokenInClear: true},
	} {
		if _, err := New(options); err != nil {
			t.Error(name, err)
		}
	}
}

// The waits are spread over all of their bound, which doubles up to a limit.
func TestEachWaitIsRandom(t *testing.T) {
	waits := backoff{first: firstWait}
	var short, long int
	for range 2000 {
		waits.reset()
		wait := waits.next(0)
		if wait < 0 || wait >= firstWait {
			t.Fatal(wait)
		}
		if wait < firstWait/4 {
			short++
		} else if wait >= firstWait*3/4 {
			long++
		}
	}
	if short < 300 || long < 300 {
		t.Error("the first waits are not spread:", short, long)
	}
	for range 20 {
		waits.next(0)
	}
	if wait := waits.next(time.Hour); waits.bound != mostWait || wait < time.Hour || wait > time.Hour+mostWait {
		t.Error(waits.bound, wait)
	}
}

var _ grpc.ClientConnInterface = (*conn)(nil)

func TestAWaitThatNobodyCanMeanIsNotBelieved(t *testing.T) {
	for said, want := range map[int64]time.Duration{3600: time.Hour, 25 * 3600: 0, 1 << 40: 0, -1: 0} {
		err := asError(failure(codes.Unavailable, "LATER",
			&errdetails.RetryInfo{RetryDelay: &durationpb.Duration{Seconds: said}}))
		if _, atLeast := codeOf(err); atLeast != want {
			t.Errorf("after %d s: %s, not %s", said, atLeast, want)
		}
	}
}
