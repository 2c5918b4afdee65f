package confreg

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc/codes"
)

// progressInterval is how often a silent stream says that it is alive.
const progressInterval = 3 * time.Second

// Selector selects the configs whose names fit all members that are not empty.
type Selector struct {
	Environment, Service string
	// Prefix of the service.
	Prefix string
}

// WatchOptions say what is watched, and from where on.
type WatchOptions struct {
	// Selectors of which at least one has to fit; at most 128. None: all configs.
	Selectors []Selector
	// LatestOnly is for who needs the newest state and not every step: of several changes of a config
	// that wait, only the newest comes.
	LatestOnly bool
	// Resolve merges each config over that of the environment "default". Every selector has to name an
	// environment.
	Resolve bool
	// ResumeAfter is the Position of the last Update that was handled: the watch goes on after it. Zero:
	// it begins with the present state.
	ResumeAfter Position
	// OnConnect is called when the server answers, at first and after each interruption.
	OnConnect func()
	// OnInterrupt is called with what has interrupted the watch. It goes on by itself.
	OnInterrupt func(error)
}

// Update is what a watch delivers: the changes of one or more whole commits, or, with First, the present
// state of all that is watched.
type Update struct {
	// Changes in the order of the commits; of a state in the order of the names.
	Changes []Change
	// Position to resume after once the update was handled.
	Position Position
	// First: the state that the watch begins with. Each change has a Config, whose Kind says how it was
	// made.
	First bool
	// Synthetic: the steps in between are gone (a compaction, a restored backup), so the changes were
	// found by comparing with the present state.
	Synthetic bool
}

// Watch delivers the present state of all that is selected, then every change: each once, in order, and
// whole commits at a time. It goes on over restarts of the server and failures of the network, resumes
// exactly where it was, and waits a random time before it tries again.
//
//	for update, err := range client.Watch(ctx, options) {
//
// The loop runs in the caller's goroutine; a slow body delays nobody else. It ends by break, or with an
// error as its last pair: that of the context, or ErrClosed. Everything else is told to OnInterrupt and
// tried again, options that the server refuses and rights that are missing included.
//
// After ResumeAfter the state is not known, so if the position is of no use any more, an update with
// First tells it.
func (c *Client) Watch(ctx context.Context, options WatchOptions) iter.Seq2[*Update, error] {
	return func(yield func(*Update, error) bool) {
		w := &watch{client: c, options: &options, follower: newFollower(&options), yield: yield,
			waits: backoff{first: c.conn.firstWait}}
		if err := w.run(ctx); !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

var errStopped = errors.New("the loop has ended")

// errSilent is the cause that ends a stream which says nothing any more.
var errSilent error = &Error{Code: codes.Unavailable, Message: "the server is silent"}

type watch struct {
	client   *Client
	options  *WatchOptions
	follower *follower
	yield    func(*Update, error) bool
	waits    backoff
}

// run returns why the watch is over.
func (w *watch) run(ctx context.Context) error {
	for {
		err := w.stream(ctx)
		switch {
		case errors.Is(err, errStopped), errors.Is(err, ErrClosed):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		w.client.log.Info("confreg: the watch was interrupted", "error", err)
		if w.options.OnInterrupt != nil {
			w.options.OnInterrupt(err)
		}
		if w.follower.lost(err) {
			continue // the wait was before the attempt that has found that out
		}
		_, atLeast := codeOf(err)
		if !sleep(ctx, w.waits.next(atLeast)) {
			<-ctx.Done() // the deadline comes before the next attempt
			return context.Cause(ctx)
		}
	}
}

// stream opens one stream and reads it to its end.
func (w *watch) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(w.client.silence, func() { cancel(errSilent) })
	defer silence.Stop()
	opened, err := w.client.service.Watch(ctx, w.follower.request())
	for err == nil {
		var response *pb.WatchResponse
		silence.Reset(w.client.silence)
		response, err = opened.Recv()
		silence.Stop()
		if err == nil {
			err = w.take(response)
		}
	}
	if errors.Is(err, io.EOF) {
		return &Error{Code: codes.Unavailable, Message: "the server has ended the stream"}
	}
	return err
}

func (w *watch) take(response *pb.WatchResponse) error {
	if w.options.OnConnect != nil && !w.follower.heard {
		w.options.OnConnect()
	}
	update, err := w.follower.feed(response)
	if err != nil {
		return err
	}
	if response.Kind != pb.WatchResponseKind_WATCH_RESPONSE_KIND_STARTED {
		w.waits.reset() // a stream that ends as soon as it is established is no success
	}
	if update != nil && !w.yield(update, nil) {
		return errStopped
	}
	return nil
}
