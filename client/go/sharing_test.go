package confreg

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// registry is a log that watches follow as they would a server's, with selectors, while it grows.
type registry struct {
	*fakeServer
	t       *testing.T
	mu      sync.Mutex
	log     testLog
	grown   chan struct{}   // closed when the log has grown
	refused map[string]bool // services that the caller may not read
	cut     chan struct{}   // closed to end all streams

	open, opened atomic.Int64 // streams
}

func newRegistry(t *testing.T, options ...grpc.ServerOption) *registry {
	r := &registry{fakeServer: &fakeServer{}, t: t, log: testLog{epoch: epoch}, grown: make(chan struct{}),
		cut: make(chan struct{}), refused: map[string]bool{}}
	r.onWatch = r.follow
	r.serve(t, options...)
	return r
}

// commit sets the services to the number of the commit.
func (r *registry) commit(services ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.commit(services...)
	close(r.grown)
	r.grown = make(chan struct{})
}

// interrupt ends all streams.
func (r *registry) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.cut)
	r.cut = make(chan struct{})
}

func (r *registry) selects(request *pb.WatchRequest, service string) bool {
	return !r.refused[service] && (len(request.Selectors) == 0 ||
		slices.ContainsFunc(request.Selectors, func(s *pb.Selector) bool {
			return s.ServiceName == "" || s.ServiceName == service
		}))
}

// rights says whether the caller may read some and all of what the request selects.
func (r *registry) rights(request *pb.WatchRequest) (some, all bool) {
	n := 0
	for _, s := range request.Selectors {
		if r.refused[s.ServiceName] {
			n++
		}
	}
	return n == 0 || n < len(request.Selectors), n == 0
}

func (r *registry) follow(request *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	r.mu.Lock()
	cut := r.cut
	r.mu.Unlock()
	r.opened.Add(1) // from now on it can be cut
	r.open.Add(1)
	defer r.open.Add(-1)
	some, all := r.rights(request)
	if !some {
		return failure(codes.PermissionDenied, "NOT_ALLOWED")
	}
	at, delivered := resumeFrom(request), uint64(0)
	send := func(response *pb.WatchResponse) error {
		response.PreviousRevision, response.Filtered = delivered, !all
		if response.Header.Revision > 0 && len(response.Events) > 0 ||
			response.Kind == pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END {
			delivered = response.Header.Revision
		}
		return stream.Send(response)
	}
	if request.IncludeSnapshot {
		state := r.state(request)
		at = int(state[len(state)-1].Header.Revision)
		for _, response := range state {
			if err := send(response); err != nil {
				return err
			}
		}
	}
	for {
		r.mu.Lock()
		commits, grown := r.log.commits[at:], r.grown
		r.mu.Unlock()
		for _, events := range commits {
			at++
			response := &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_EVENTS, Header: r.log.position(at)}
			for _, event := range events {
				if r.selects(request, event.ServiceName) {
					response.Events = append(response.Events, event)
				}
			}
			if len(response.Events) == 0 {
				response.Kind = pb.WatchResponseKind_WATCH_RESPONSE_KIND_PROGRESS
			}
			if err := send(response); err != nil {
				return err
			}
		}
		if err := send(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_PROGRESS,
			Header: r.log.position(at)}); err != nil {
			return err
		}
		select {
		case <-grown:
		case <-cut:
			return failure(codes.Unavailable, "RESET")
		case <-stream.Context().Done():
			return nil
		}
	}
}

func (r *registry) state(request *pb.WatchRequest) []*pb.WatchResponse {
	r.mu.Lock()
	defer r.mu.Unlock()
	heads := map[string]*pb.Config{}
	for _, events := range r.log.commits {
		for _, event := range events {
			if r.selects(request, event.ServiceName) {
				heads[event.ServiceName] = event.Config
			}
		}
	}
	part := &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT, Header: &pb.Position{Epoch: epoch}}
	for _, head := range heads {
		part.Configs = append(part.Configs, head)
	}
	return []*pb.WatchResponse{part, {Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END,
		Header: r.log.position(len(r.log.commits))}}
}

func (r *registry) client(options Options) *Client {
	options.Addresses = []string{r.address}
	return clientOf(r.t, options)
}

// follows fails the test unless the watch has a state of the service, and every commit after it, up to last.
func follows(ctx context.Context, t *testing.T, client *Client, service string, last uint64) {
	next := uint64(0)
	for update, err := range client.Watch(ctx, WatchOptions{Selectors: []Selector{{Environment: "prod", Service: service}}}) {
		if err != nil || update.Synthetic {
			t.Error(service, update, err)
			return
		}
		for _, change := range update.Changes {
			if change.Service != service || next != 0 && change.HeadVersion != next {
				t.Errorf("%s: %d came, not %d", service, change.HeadVersion, next)
			}
			next = change.HeadVersion + 1
		}
		if next > last {
			return
		}
	}
}

func TestAHundredWatchersShareAStream(t *testing.T) {
	noLeaks(t)
	r := newRegistry(t)
	var services []string
	for i := range 100 {
		services = append(services, fmt.Sprintf("s%d", i))
	}
	r.commit(services...)
	client := r.client(Options{})
	var watchers sync.WaitGroup
	for _, service := range services[:50] {
		watchers.Add(1)
		go func() {
			defer watchers.Done()
			follows(t.Context(), t, client, service, 20)
		}()
	}
	var providers []*Provider
	for _, service := range services[50:] {
		p := NewProvider(t.Context(), client, Name{"prod", service}, ProviderOptions{})
		defer p.Close()
		providers = append(providers, p)
		ready(t, p)
	}
	for range 19 {
		r.commit(services...)
	}
	watchers.Wait()
	for _, p := range providers {
		until(t, "the last has come", has(p, 20))
	}
	until(t, "one stream is left", func() bool { return r.open.Load() == 1 })
	t.Logf("%d streams one after the other", r.opened.Load())
}

// Watches come and go, and streams end, while commits are made: each has all from its state on.
func TestWatchesThatComeAndGoMissNothing(t *testing.T) {
	noLeaks(t)
	r := newRegistry(t)
	r.commit("a", "b", "c")
	client := r.client(Options{})
	client.conn.firstWait = 100_000
	const commits = 200
	var watchers sync.WaitGroup
	for i := range 40 {
		watchers.Add(1)
		go func() {
			defer watchers.Done()
			for last := uint64(commits / 4); last <= commits; last += commits / 4 {
				follows(t.Context(), t, client, []string{"a", "b", "c"}[i%3], last)
			}
		}()
	}
	for i := range commits - 1 {
		if i%10 == 0 { // nobody has the last commit yet
			opened := r.opened.Load()
			r.interrupt()
			until(t, "a stream is opened", func() bool { return r.opened.Load() > opened })
		}
		r.commit("a", "b", "c")
	}
	watchers.Wait()
	t.Logf("%d streams one after the other", r.opened.Load())
}

// One that handles nothing for a while delays nobody, and misses nothing either.
func TestASlowWatchDelaysNobody(t *testing.T) {
	noLeaks(t)
	r := newRegistry(t)
	r.commit("a")
	client := r.client(Options{})
	client.sharing.mostQueued = 64 << 10
	const commits = 40
	slow, latest, goOn := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var watchers sync.WaitGroup
	follow := func(options WatchOptions, holds chan struct{}, versions *[]uint64) {
		defer watchers.Done()
		for update, err := range client.Watch(t.Context(), options) {
			if err != nil {
				t.Error(err)
			}
			if update.First {
				close(holds)
				<-goOn
			}
			for _, change := range update.Changes {
				*versions = append(*versions, change.HeadVersion)
			}
			if update.Position.Revision == commits {
				return
			}
		}
	}
	var all, newest []uint64
	watchers.Add(2)
	go follow(WatchOptions{}, slow, &all)
	go follow(WatchOptions{LatestOnly: true}, latest, &newest)
	<-slow
	<-latest
	quick := NewProvider(t.Context(), client, Name{"prod", "a"}, ProviderOptions{})
	defer quick.Close()
	ready(t, quick)
	r.mu.Lock()
	for range commits - 1 {
		r.log.commit("a")
		last := r.log.commits[len(r.log.commits)-1][0]
		last.Config.ConfigData = fmt.Appendf(nil, `{"n":"%s"}`, strings.Repeat("x", 10_000))
	}
	close(r.grown)
	r.grown = make(chan struct{})
	r.mu.Unlock()
	follows(t.Context(), t, client, "a", commits)
	until(t, "the last has come", func() bool { return quick.Snapshot().Version() == commits })
	close(goOn)
	watchers.Wait()
	if len(all) != commits || !slices.IsSorted(all) {
		t.Error("every step:", all)
	}
	if !slices.Equal(newest, []uint64{1, commits}) { // they were put in before the last one came to the other
		t.Error("only the newest:", newest)
	}
	until(t, "one stream is left", func() bool { return r.open.Load() == 1 })
}

func TestAWatchThatResumesSharesTheStreamOnceItHasCaughtUp(t *testing.T) {
	noLeaks(t)
	r := newRegistry(t)
	r.commit("a")
	r.commit("a")
	client := r.client(Options{})
	p := NewProvider(t.Context(), client, Name{"prod", "b"}, ProviderOptions{})
	defer p.Close()
	ready(t, p)
	position := positionOf(r.log.position(1))
	came := make(chan uint64)
	go func() {
		defer close(came)
		for update, err := range client.Watch(t.Context(), WatchOptions{ResumeAfter: position}) {
			if err != nil || update.First || update.Synthetic {
				t.Error(update, err)
			}
			came <- update.Changes[0].HeadVersion
			if update.Position.Revision == 12 {
				return
			}
		}
	}()
	for n := uint64(2); n <= 12; n++ {
		if got := <-came; got != n {
			t.Fatalf("%d came, not %d", got, n)
		}
		if n == 6 {
			until(t, "one stream is left", func() bool { return r.open.Load() == 1 })
		}
		r.commit("a")
	}
	for range came {
	}
}

// The stream of all is filtered; who may read nothing is told so, and the others are not disturbed.
func TestAWatchWithoutRightsIsToldSo(t *testing.T) {
	noLeaks(t)
	r := newRegistry(t)
	r.refused["hidden"] = true
	r.commit("a", "hidden")
	client := r.client(Options{})
	hidden := NewProvider(t.Context(), client, Name{"prod", "hidden"}, ProviderOptions{})
	defer hidden.Close()
	open := NewProvider(t.Context(), client, Name{"prod", "a"}, ProviderOptions{})
	defer open.Close()
	missing := NewProvider(t.Context(), client, Name{"prod", "missing"}, ProviderOptions{})
	defer missing.Close()
	ready(t, open)
	ready(t, missing)
	until(t, "it is told", func() bool {
		code, _ := codeOf(hidden.Err())
		return hidden.Err() != nil && code == codes.PermissionDenied
	})
	if hidden.State() != Loading {
		t.Error(hidden.State())
	}
	r.commit("a", "hidden")
	until(t, "the other one goes on", has(open, 2))
}

// Metadata of a context may be other credentials.
func TestAWatchWithMetadataHasAStreamOfItsOwn(t *testing.T) {
	noLeaks(t)
	r := newRegistry(t)
	r.commit("a")
	client := r.client(Options{})
	p := provider(t, client, ProviderOptions{})
	ready(t, p)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer other")
	for update, err := range client.Watch(ctx, WatchOptions{}) {
		if err != nil {
			t.Fatal(update, err)
		}
		if update.First {
			r.commit("a")
			continue
		}
		until(t, "two streams are open", func() bool { return r.open.Load() == 2 })
		break
	}
}

// What is not told to a box that shares a stream is told by its own, after what it has.
func TestABoxThatIsFull(t *testing.T) {
	home := &sharedStream{of: &sharing{mostQueued: 3 * changeBytes}}
	b := newBox(&WatchOptions{}, nil)
	home.take(b)
	log := testLog{epoch: epoch}
	put := func(revision int) {
		b.put(&batch{changes: []Change{changeOf(set("a", uint64(revision)))}, position: log.position(revision)},
			log.position(revision-1))
	}
	put(5)
	if next, ok := b.pop(); !ok || next.batch.position.Revision != 5 {
		t.Fatal(next, ok)
	}
	put(6)
	b.tell(nil)
	if b.home == nil {
		t.Fatal("one batch always fits")
	}
	put(7)
	if b.home != nil || b.resume.GetRevision() != 5 {
		t.Fatal("it goes on after what it has", b.resume)
	}
	if next, ok := b.pop(); !ok || next.batch != nil {
		t.Error("what comes again is told twice", next, ok)
	}
}

func TestABoxOfTheNewest(t *testing.T) {
	home := &sharedStream{of: &sharing{mostQueued: 1}}
	b := newBox(&WatchOptions{LatestOnly: true, Selectors: []Selector{{Service: "a"}, {Prefix: "b"}}}, nil)
	home.take(b)
	log := testLog{epoch: epoch}
	put := func(events ...*pb.Event) {
		told := &batch{}
		for _, event := range events {
			told.changes = append(told.changes, changeOf(event))
		}
		told.position = log.position(int(events[0].Revision))
		b.put(told, nil)
	}
	put(set("a", 1), set("bb", 1), set("c", 1))
	b.tell(nil)
	put(set("c", 2))
	put(set("a", 3))
	put(gone("bb", 4))
	put(set("a", 2)) // once more, as the stream has begun before
	b.tell(errMissed)
	var v view
	if next, ok := b.pop(); !ok || next.batch != nil || next.err != nil {
		t.Error("first of all it is connected", next, ok)
	}
	next, _ := b.pop()
	if got := told(v.take(next.batch.inOrder())); got != "update a 3, delete bb 0 @4" {
		t.Error(got)
	}
	if next, ok := b.pop(); !ok || next.err != errMissed {
		t.Error(next, ok)
	}
	for range 100 {
		b.tell(errMissed)
	}
	if len(b.items) > mostNotices {
		t.Error(len(b.items), "notices wait")
	}
}
