package confreg

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// feeder is a server whose watches deliver what a test sends.
type feeder struct {
	*fakeServer
	opened  chan chan *pb.WatchResponse // of each stream that was opened; nil in it ends the stream
	current chan *pb.WatchResponse      // of the stream that the test speaks to
}

func newFeeder(t *testing.T) *feeder {
	f := &feeder{fakeServer: &fakeServer{}, opened: make(chan chan *pb.WatchResponse, 1000)}
	f.onWatch = func(_ *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
		responses := make(chan *pb.WatchResponse)
		f.opened <- responses
		for {
			select {
			case response := <-responses:
				if response == nil {
					return failure(codes.Unavailable, "SHUTTING_DOWN")
				}
				if err := stream.Send(response); err != nil {
					return err
				}
			case <-stream.Context().Done():
				return nil
			}
		}
	}
	f.serve(t)
	return f
}

// nextStream waits for the next stream, to speak to from now on.
func (f *feeder) nextStream() {
	f.current = <-f.opened
}

func (f *feeder) send(responses ...*pb.WatchResponse) {
	if f.current == nil {
		f.nextStream()
	}
	for _, response := range responses {
		f.current <- response
	}
}

// state sends a snapshot as of a revision.
func (f *feeder) state(revision uint64, configs ...*pb.Config) {
	f.send(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT,
		Header: &pb.Position{Epoch: epoch}, Configs: configs},
		&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END,
			Header: &pb.Position{Epoch: epoch, Revision: revision, Token: "x"}})
}

func (f *feeder) event(previous uint64, event *pb.Event) {
	f.send(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_EVENTS,
		Header: &pb.Position{Epoch: epoch, Revision: event.Revision, Token: "x"}, PreviousRevision: previous,
		Events: []*pb.Event{event}})
}

// provider makes one of a config of prod, which ends before the client does.
func provider(t *testing.T, client *Client, options ProviderOptions) *Provider {
	t.Helper()
	p := NewProvider(t.Context(), client, billing, options)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func ready(t *testing.T, p *Provider) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

func has(p *Provider, n int64) func() bool {
	return func() bool { return p.Int("n", -1) == n }
}

func TestReferences(t *testing.T) {
	noLeaks(t)
	folder := t.TempDir()
	secret, pipe, kept := filepath.Join(folder, "secret"), filepath.Join(folder, "pipe"), filepath.Join(folder, "kept")
	if err := errors.Join(os.WriteFile(secret, []byte("hush\n"), 0o600), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BILLING_USER", "ada")
	config := configAt("prod", "billing", 1)
	config.ConfigData = []byte(`{"n": 1.50, "uri": "amqp://${env:BILLING_USER}:${file:` + secret + `}@mq", "price": "${5}${env:}",
		"deep": {"users": ["${env:BILLING_USER}"]}, "none": ["${env:BILLING_NOBODY}"], "file": "${file:` + folder + `/none}",
		"pipe": "${file:` + pipe + `}"}`)
	f := newFeeder(t)
	client := clientOf(t, Options{Addresses: []string{f.address}})
	p := provider(t, client, ProviderOptions{References: true, LastKnownGood: kept})
	f.state(1, config)
	ready(t, p)
	for key, text := range map[string]string{"uri": "amqp://ada:hush@mq", "/deep/users/0": "ada", "n": "1.50",
		"price": "${5}${env:}", "none": "-", "/none/0": "-", "file": "-", "pipe": "-"} {
		if found := p.String(key, "-"); found != text {
			t.Errorf("%s is %s", key, found)
		}
	}
	var whole map[string]any
	if err := p.Decode("", &whole); err != nil || len(whole) != 4 || whole["uri"] != "amqp://ada:hush@mq" {
		t.Error(whole, err)
	}
	if !bytes.Equal(p.Snapshot().Data(), config.ConfigData) {
		t.Error("the text has the references")
	}
	f.onGet = func(context.Context, *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		return &pb.GetConfigResponse{Header: &pb.Position{Epoch: epoch, Revision: 1}, Config: config}, nil
	}
	if err := errors.Join(os.WriteFile(secret, []byte("hush2"), 0o600), p.Refresh(t.Context())); err != nil ||
		p.String("uri", "-") != "amqp://ada:hush2@mq" {
		t.Error("a file that was replaced", p.String("uri", "-"), err)
	}
	_ = p.Close()
	<-p.Done() // the file is written
	if text, err := os.ReadFile(kept); err != nil || bytes.Contains(text, []byte("hush")) {
		t.Error("the file has the references", err)
	}
	away := clientOf(t, Options{Addresses: []string{"127.0.0.1:1"}})
	if p := provider(t, away, ProviderOptions{References: true, LastKnownGood: kept}); p.String("uri", "") != "amqp://ada:hush2@mq" {
		t.Error("values of the file have references, too")
	}
	if p := provider(t, away, ProviderOptions{LastKnownGood: kept}); p.String("/none/0", "") != "${env:BILLING_NOBODY}" {
		t.Error("only who asks for it")
	}
}

func TestAProviderFollows(t *testing.T) {
	noLeaks(t)
	f := newFeeder(t)
	changes := make(chan [2]int64, 10)
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{
		OnChange: func(before, now *Values) { changes <- [2]int64{before.Int("n", -1), now.Int("n", -1)} }})
	if p.State() != Loading || p.Int("n", 7) != 7 || p.Snapshot().Version() != 0 {
		t.Error("before the registry has answered there are defaults")
	}
	f.state(1, configAt("prod", "billing", 1))
	ready(t, p)
	if p.State() != Ready || p.Int("n", 7) != 1 || p.Err() != nil {
		t.Error(p.State(), p.Int("n", 7), p.Err())
	}
	expect := func(want [2]int64) {
		t.Helper()
		if got := <-changes; got != want {
			t.Fatal(got, "not", want)
		}
	}
	f.event(1, set("billing", 2))
	expect([2]int64{1, 2})
	f.event(2, gone("billing", 3))
	expect([2]int64{2, -1})
	f.event(3, set("billing", 4))
	expect([2]int64{-1, 4})
	if v := p.Snapshot(); v.Version() != 4 || v.Position().Revision != 4 || string(v.Data()) != `{"n":4}` {
		t.Error(v)
	}
}

func TestAConfigThatDoesNotExist(t *testing.T) {
	f := newFeeder(t)
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{})
	f.state(5)
	ready(t, p)
	if p.State() != Ready || p.Snapshot().Version() != 0 || p.Int("n", 7) != 7 {
		t.Error(p.State(), p.Snapshot())
	}
}

func TestTheStatesOfAProvider(t *testing.T) {
	noLeaks(t)
	f := newFeeder(t)
	states := make(chan State, 10)
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{
		StaleAfter: time.Nanosecond, OnState: func(s State) { states <- s }})
	expect := func(want State) {
		t.Helper()
		if got := <-states; got != want {
			t.Fatal(got, "not", want)
		}
	}
	f.state(1, configAt("prod", "billing", 1))
	expect(Ready)
	f.send(nil)
	expect(Stale)
	if p.Int("n", 7) != 1 || !errors.Is(p.Err(), ErrUnavailable) {
		t.Error("the last known values do not stay", p.Err())
	}
	// The stream goes on where it was: what it says first is that it is alive.
	f.nextStream()
	f.send(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_STARTED,
		Header: &pb.Position{Epoch: epoch, Revision: 1, Token: "x"}})
	expect(Ready)
	if p.Err() != nil {
		t.Error(p.Err())
	}
}

func TestADamagedValueIsNotTaken(t *testing.T) {
	f := newFeeder(t)
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{})
	f.state(1, configAt("prod", "billing", 1))
	ready(t, p)
	event := set("billing", 2)
	event.Config.ConfigData = []byte(`{"n":`)
	f.event(1, event)
	until(t, "the error is told", func() bool { return p.Err() != nil })
	if p.Int("n", -1) != 1 {
		t.Error("the value before does not stay")
	}
	f.nextStream()
	f.event(0, set("billing", 3))
	until(t, "the next one is taken", has(p, 3))
}

// An answer to Refresh may overtake the watch, and be overtaken by it.
func TestValuesNeverGoBack(t *testing.T) {
	f := newFeeder(t)
	at := uint64(5)
	f.onGet = func(context.Context, *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		return &pb.GetConfigResponse{Header: &pb.Position{Epoch: epoch, Revision: at},
			Config: configAt("prod", "billing", at)}, nil
	}
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{})
	f.state(1, configAt("prod", "billing", 1))
	ready(t, p)
	refresh := func(want int64) {
		t.Helper()
		if err := p.Refresh(t.Context()); err != nil || p.Int("n", -1) != want {
			t.Fatal(p.Int("n", -1), "not", want, err)
		}
	}
	refresh(5)
	f.event(1, set("billing", 4))
	f.event(4, set("billing", 6))
	until(t, "the newer one has come", has(p, 6))
	refresh(6)
}

func TestManyReadersSeeWholeVersions(t *testing.T) {
	noLeaks(t)
	f := newFeeder(t)
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{})
	at := func(n uint64) *pb.Config {
		config := configAt("prod", "billing", n)
		config.ConfigData = []byte(strings.ReplaceAll(`{"a":N,"b":{"c":N}}`, "N", string(rune('0'+n%10))))
		return config
	}
	f.state(1, at(1))
	ready(t, p)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for last := uint64(0); !stop.Load(); {
				v := p.Snapshot()
				if v.Int("a", -1) != v.Int("/b/c", -2) || v.Version() < last {
					t.Error("a torn or older value:", string(v.Data()), last)
					return
				}
				last = v.Version()
			}
		}()
	}
	for n := uint64(2); n <= 500; n++ {
		event := set("billing", n)
		event.Config = at(n)
		f.event(n-1, event)
	}
	until(t, "the last has come", func() bool { return p.Snapshot().Version() == 500 })
	stop.Store(true)
	readers.Wait()
}

func TestAProviderEnds(t *testing.T) {
	noLeaks(t)
	f := newFeeder(t)
	client := clientOf(t, Options{Addresses: []string{f.address}})
	ctx, cancel := context.WithCancel(t.Context())
	by := map[string]*Provider{"context": NewProvider(ctx, client, billing, ProviderOptions{})}
	cancel()
	<-by["context"].done
	by["close"] = NewProvider(t.Context(), client, billing, ProviderOptions{})
	_ = by["close"].Close()
	by["client"] = NewProvider(t.Context(), client, billing, ProviderOptions{})
	_ = client.Close()
	<-by["client"].done
	for name, p := range by {
		if err := p.WaitReady(t.Context()); err == nil || p.Int("n", 7) != 7 {
			t.Error(name, err)
		}
		_ = p.Close()
	}
}

func TestAProviderEndsInItsCallback(t *testing.T) {
	noLeaks(t)
	for name, end := range map[string]func(*Provider, *Client, context.CancelFunc){
		"context":  func(_ *Provider, _ *Client, cancel context.CancelFunc) { cancel() },
		"provider": func(p *Provider, _ *Client, _ context.CancelFunc) { _ = p.Close() },
		"client":   func(_ *Provider, c *Client, _ context.CancelFunc) { _ = c.Close() },
	} {
		f := newFeeder(t)
		client := clientOf(t, Options{Addresses: []string{f.address}})
		ctx, cancel := context.WithCancel(t.Context())
		made := make(chan *Provider, 1)
		calls := make(chan State, 10)
		p := NewProvider(ctx, client, billing, ProviderOptions{OnState: func(state State) {
			calls <- state
			end(<-made, client, cancel)
		}})
		made <- p
		f.state(1, configAt("prod", "billing", 1))
		<-p.Done()
		if p.Int("n", 7) != 1 || len(calls) != 1 {
			t.Error(name, p.Int("n", 7), len(calls))
		}
		cancel()
	}
}

func TestACallbackMayRefresh(t *testing.T) {
	noLeaks(t)
	f := newFeeder(t)
	f.onGet = func(context.Context, *pb.GetConfigRequest) (*pb.GetConfigResponse, error) {
		return &pb.GetConfigResponse{Header: &pb.Position{Epoch: epoch, Revision: 5},
			Config: configAt("prod", "billing", 5)}, nil
	}
	made := make(chan *Provider, 1)
	changes := make(chan int64, 10)
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{
		OnState: func(State) {
			if err := (<-made).Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		},
		OnChange: func(before, now *Values) { changes <- 10*before.Int("n", -1) + now.Int("n", -1) }})
	made <- p
	f.state(1, configAt("prod", "billing", 1))
	if got := <-changes; got != 15 {
		t.Error(got)
	}
}

func TestWaitReadySaysWhyNot(t *testing.T) {
	noLeaks(t)
	interrupted := make(chan struct{}, 1000)
	p := provider(t, clientOf(t, Options{Addresses: []string{nobody(t)}, Logger: slog.New(hook(interrupted))}),
		ProviderOptions{})
	<-interrupted
	until(t, "the error is noted", func() bool { return p.Err() != nil })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.WaitReady(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if p.State() != Loading {
		t.Error(p.State())
	}
}

// hook is a log handler that tells of each record.
type hook chan struct{}

func (h hook) Enabled(context.Context, slog.Level) bool { return true }
func (h hook) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h hook) WithGroup(string) slog.Handler            { return h }
func (h hook) Handle(context.Context, slog.Record) error {
	select {
	case h <- struct{}{}:
	default:
	}
	return nil
}

// ---- The file with the last values ----

func exists(path string) func() bool {
	return func() bool {
		_, err := os.Stat(path)
		return err == nil
	}
}

// keptAt makes a file with the values of revision 3.
func keptAt(t *testing.T, path string) {
	t.Helper()
	f := newFeeder(t)
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{LastKnownGood: path})
	f.state(3, configAt("prod", "billing", 3))
	until(t, "the values are kept", exists(path))
	_ = p.Close()
	<-p.Done()
}

func TestAStartWhileTheRegistryIsAway(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "billing.json")
	keptAt(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	away := clientOf(t, Options{Addresses: []string{nobody(t)}})
	started := time.Now()
	p := provider(t, away, ProviderOptions{LastKnownGood: path})
	t.Logf("the values were there after %s", time.Since(started))
	if p.Int("n", -1) != 3 || p.Snapshot().Version() != 3 || p.Snapshot().Position().Revision != 3 || p.State() != Loading {
		t.Error(p.Snapshot(), p.State())
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Error("there are other files:", entries)
	}
}

func TestChangesSinceTheFileAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "billing.json")
	keptAt(t, path)
	f := newFeeder(t)
	changes := make(chan int64, 10)
	p := provider(t, clientOf(t, Options{Addresses: []string{f.address}}), ProviderOptions{LastKnownGood: path,
		OnChange: func(before, now *Values) { changes <- 10*before.Int("n", -1) + now.Int("n", -1) }})
	f.state(3, configAt("prod", "billing", 3)) // the same
	ready(t, p)
	f.event(3, set("billing", 4))
	if got := <-changes; got != 34 {
		t.Error(got)
	}
}

// Else a start with the file would tell a change to the registry's values, which are the same.
func TestTheFileKeepsTheTextOfValues(t *testing.T) {
	file := lastKnown{filepath.Join(t.TempDir(), "billing.json"), Name{"prod", "billing"}, false}
	values, err := ParseValues([]byte(`{"url":"http://db-1/?a=1&b=<2>"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.write(values); err != nil {
		t.Fatal(err)
	}
	if kept, err := file.read(); err != nil || !bytes.Equal(kept.raw, values.raw) {
		t.Error(kept, err)
	}
}

func TestAFileThatIsDamagedIsNotUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "billing.json")
	keptAt(t, path)
	good, _ := os.ReadFile(path)
	away := clientOf(t, Options{Addresses: []string{nobody(t)}})
	for name, text := range map[string]string{
		"empty": "", "cut": string(good[:len(good)-1]), "longer": string(good) + " ",
		"changed":      strings.Replace(string(good), `"n":3`, `"n":4`, 1),
		"no checksum":  string(good[strings.Index(string(good), "\n")+1:]),
		"no JSON":      checksum([]byte("{")) + "\n{",
		"no object":    checksum([]byte(`{"environment":"prod","service_name":"billing"}`)) + "\n" + `{"environment":"prod","service_name":"billing"}`,
		"another name": checksum([]byte(`{"config_data":{"n":5}}`)) + "\n" + `{"config_data":{"n":5}}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := provider(t, away, ProviderOptions{LastKnownGood: path}); p.Int("n", 7) != 7 {
			t.Error(name, "was used")
		}
	}
}

func TestAFileOfAnotherConfigIsNotUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "billing.json")
	keptAt(t, path)
	away := clientOf(t, Options{Addresses: []string{nobody(t)}})
	resolved := provider(t, away, ProviderOptions{LastKnownGood: path, Resolve: true})
	other := NewProvider(t.Context(), away, Name{"prod", "other"}, ProviderOptions{LastKnownGood: path})
	defer other.Close()
	if resolved.Int("n", 7) != 7 || other.Int("n", 7) != 7 {
		t.Error("it was used")
	}
}

func TestAFileThatCannotBeWrittenIsNoError(t *testing.T) {
	full := t.TempDir()
	if err := syscall.Mount("none", full, "tmpfs", 0, "size=4096"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(full, 0) })
	keptAt(t, filepath.Join(full, "billing.json"))
	for name, folder := range map[string]string{"missing": filepath.Join(full, "missing"), "full": full} {
		f := newFeeder(t)
		warned := make(chan struct{}, 10)
		p := provider(t, clientOf(t, Options{Addresses: []string{f.address}, Logger: slog.New(hook(warned))}),
			ProviderOptions{LastKnownGood: filepath.Join(folder, "billing.json")})
		f.state(4, configAt("prod", "billing", 4))
		ready(t, p)
		<-warned
		if p.Int("n", 7) != 4 || p.State() != Ready {
			t.Error(name, p.Int("n", 7), p.State())
		}
	}
	// What was there is there still, and nothing beside it.
	entries, _ := os.ReadDir(full)
	values, err := (&lastKnown{path: filepath.Join(full, "billing.json"), name: billing}).read()
	if len(entries) != 1 || err != nil || values.Int("n", -1) != 3 {
		t.Error(entries, values, err)
	}
}
