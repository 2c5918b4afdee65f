package confreg

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// send answers a watch request from a log, from its position on: whole commits, or in two parts.
func (l *testLog) send(request *pb.WatchRequest, most int, random *rand.Rand,
	stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	at := resumeFrom(request)
	delivered := uint64(0)
	if request.IncludeSnapshot {
		if err := stream.Send(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END,
			Header: l.position(at)}); err != nil {
			return err
		}
	}
	respond := func(revision int, more bool, events []*pb.Event) error {
		err := stream.Send(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_EVENTS,
			Header: l.position(revision), Events: events, More: more, PreviousRevision: delivered})
		delivered = events[len(events)-1].Revision
		return err
	}
	for sent := 0; at < len(l.commits); sent++ {
		if sent == most {
			return failure(codes.Unavailable, "RESET") // of a server that answers: the connection stays
		}
		events := l.commits[at]
		cut := random.IntN(len(events))
		if cut > 0 {
			if err := respond(at, true, events[:cut]); err != nil {
				return err
			}
			if random.IntN(4) == 0 {
				return failure(codes.Unavailable, "RESET")
			}
		}
		at++
		if err := respond(at, false, events[cut:]); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return nil
}

// Over a thousand ends of the stream, within commits too, each commit comes once, whole and in order.
func TestNothingIsLostOrDoubledOverManyStreams(t *testing.T) {
	noLeaks(t)
	const commits = 1500
	log := &testLog{epoch: epoch}
	for range commits {
		log.commit("a", "b", "c")
	}
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var streams atomic.Int64
	server := (&fakeServer{onWatch: func(r *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
		streams.Add(1) // one stream at a time: random is not shared
		return log.send(r, 1+random.IntN(2), random, stream)
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	client.conn.firstWait = time.Microsecond
	next := uint64(0)
	for update, err := range client.Watch(t.Context(), WatchOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if update.Position.Revision != next || !update.First && len(update.Changes) != 3 {
			t.Fatalf("%s came, not %d", told(update), next)
		}
		if next++; next > commits {
			break
		}
	}
	if n := streams.Load(); n < 1000 {
		t.Error("only", n, "streams")
	}
}

// No attempt comes before a random wait, the first one included.
func TestAWatchWaitsBeforeItComesBack(t *testing.T) {
	noLeaks(t)
	var mu sync.Mutex
	var calls []time.Time
	server := (&fakeServer{onWatch: func(*pb.WatchRequest, grpc.ServerStreamingServer[pb.WatchResponse]) error {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, time.Now())
		return status.Error(codes.Unavailable, "away")
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	client.conn.firstWait = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var interruptions int
	options := WatchOptions{OnInterrupt: func(err error) {
		if !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		if interruptions++; interruptions == 6 {
			cancel()
		}
	}}
	for _, err := range client.Watch(ctx, options) {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(calls) < 6 {
		t.Fatal(len(calls), "calls for 6 interruptions")
	}
	// The waits are at most 10, 20, 40, 80 and 160 ms, 155 ms on average; that all are tiny by chance is
	// one in many thousands of millions.
	if took := calls[5].Sub(calls[0]); took < 2*time.Millisecond {
		t.Error("it did not wait:", took)
	}
}

// Whatever the server says, the watch goes on; only the context and Close end it.
func TestAWatchThatIsRefusedGoesOn(t *testing.T) {
	noLeaks(t)
	refusals := []codes.Code{codes.InvalidArgument, codes.PermissionDenied, codes.Unimplemented, codes.NotFound}
	var told []codes.Code
	log := &testLog{epoch: epoch}
	calls := 0 // one stream at a time
	server := (&fakeServer{onWatch: func(r *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
		if calls++; calls <= len(refusals) {
			return failure(refusals[calls-1], "A_REASON")
		}
		return log.send(r, -1, nil, stream)
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	options := WatchOptions{OnInterrupt: func(err error) {
		code, _ := codeOf(err)
		told = append(told, code)
	}}
	for update, err := range client.Watch(t.Context(), options) {
		if err != nil || !update.First {
			t.Error(update, err)
		}
		break
	}
	if !slices.Equal(told, refusals) {
		t.Error(told)
	}
}

func TestAWatchOfAClosedClientEnds(t *testing.T) {
	noLeaks(t)
	log := &testLog{epoch: epoch}
	server := (&fakeServer{onWatch: func(r *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
		return log.send(r, -1, nil, stream)
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	var ended error
	for update, err := range client.Watch(t.Context(), WatchOptions{}) {
		if ended = err; update != nil && update.First {
			go client.Close()
		}
	}
	if !errors.Is(ended, ErrClosed) {
		t.Error(ended)
	}
}

// A server that takes the call and then says nothing is left for the next one.
func TestAServerThatIsSilent(t *testing.T) {
	noLeaks(t)
	hanging := (&fakeServer{onWatch: func(_ *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
		<-stream.Context().Done()
		return nil
	}}).serve(t)
	log := &testLog{epoch: epoch}
	good := (&fakeServer{onWatch: func(r *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
		return log.send(r, -1, nil, stream)
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{hanging.address, good.address}})
	client.conn.at = 0
	client.silence = time.Second
	var interruptions []error
	options := WatchOptions{OnInterrupt: func(err error) { interruptions = append(interruptions, err) }}
	for update, err := range client.Watch(t.Context(), options) {
		if err != nil || !update.First {
			t.Fatal(update, err)
		}
		break
	}
	if len(interruptions) == 0 || !errors.Is(interruptions[0], errSilent) {
		t.Error(interruptions)
	}
}

func TestTheCallbacksOfAWatch(t *testing.T) {
	noLeaks(t)
	log := &testLog{epoch: epoch}
	streams := 0
	server := (&fakeServer{onWatch: func(r *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
		switch streams++; streams {
		case 1: // the state, then a reset
			log.commit("a")
			return log.send(r, 0, nil, stream)
		case 2:
			return failure(codes.FailedPrecondition, "EPOCH_MISMATCH")
		}
		return log.send(r, -1, rand.New(rand.NewPCG(1, 1)), stream)
	}}).serve(t)
	client := clientOf(t, Options{Addresses: []string{server.address}})
	var heard []string
	options := WatchOptions{
		OnConnect: func() { heard = append(heard, "connected") },
		OnInterrupt: func(err error) {
			var e *Error
			errors.As(err, &e)
			heard = append(heard, e.Code.String()+" "+e.Reason)
		},
	}
	for update, err := range client.Watch(t.Context(), options) {
		if err != nil {
			t.Fatal(err)
		}
		if heard = append(heard, told(update)); !update.First {
			break
		}
	}
	want := []string{"connected", "first @0", "Unavailable RESET", "FailedPrecondition EPOCH_MISMATCH", "connected",
		"update a 1 @1"}
	if !slices.Equal(heard, want) {
		t.Errorf("%q", heard)
	}
}
