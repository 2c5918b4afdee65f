package confreg

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
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
// The loop and the callbacks run in the caller's goroutine. The loop ends by break, or with an error as its
// last pair: that of the context, or ErrClosed. Everything else is told to OnInterrupt and tried again,
// options that the server refuses and rights that are missing included.
//
// All watches and providers of a client share one stream. A slow body delays nobody else: with LatestOnly,
// the newest changes wait for it; else up to 8 MiB of changes, and of what is more the watch takes a stream
// of its own until it has caught up. So does one with ResumeAfter. More streams are those of watches
// that Resolve, of each further 128 different selectors, and of each context with outgoing metadata, such
// as other credentials.
//
// After ResumeAfter the state is not known, so if the position is of no use any more, an update with
// First tells it.
func (c *Client) Watch(ctx context.Context, options WatchOptions) iter.Seq2[*Update, error] {
	return func(yield func(*Update, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		w := &watch{client: c, options: &options, box: newBox(&options, cancel), yield: yield,
			waits: backoff{first: c.conn.firstWait}}
		if !c.sharing.add(w.box) {
			yield(nil, ErrClosed)
			return
		}
		defer c.sharing.remove(w.box)
		if err := w.run(ctx); !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

var (
	errStopped = errors.New("the loop has ended")
	errShares  = errors.New("the watch shares a stream from now on")
)

// errSilent is the cause that ends a stream which says nothing any more.
var errSilent error = &Error{Code: codes.Unavailable, Message: "the server is silent"}

// watch is one watch of a client. All of it is of its goroutine.
type watch struct {
	client    *Client
	options   *WatchOptions
	box       *box // what it shares a stream by
	view      view
	yield     func(*Update, error) bool
	connected bool // as was told

	// While it has a stream of its own:
	place place
	waits backoff
}

// run returns why the watch is over.
func (w *watch) run(ctx context.Context) error {
	if sent, ok := metadata.FromOutgoingContext(ctx); ok && len(sent) > 0 {
		return w.runAlone(ctx, false)
	}
	if token := w.options.ResumeAfter.Token; token != "" {
		w.place.position, w.view.at = &pb.Position{Token: token}, w.options.ResumeAfter
		if err := w.runAlone(ctx, true); !errors.Is(err, errShares) {
			return err
		}
	} else {
		w.client.sharing.join(w.box)
	}
	for {
		err := w.runShared(ctx)
		if !errors.Is(err, errAlone) {
			return err
		}
		// Others may be told the same at this moment.
		if !sleep(ctx, w.waits.next(0)) {
			return waitFor(ctx)
		}
		w.place = place{position: w.client.sharing.resumeOf(w.box)}
		if err := w.runAlone(ctx, true); !errors.Is(err, errShares) {
			return err
		}
	}
}

// waitFor waits for the context, whose deadline comes before the next attempt.
func waitFor(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// runShared takes what comes by the box.
func (w *watch) runShared(ctx context.Context) error {
	for {
		next, err := w.client.sharing.next(ctx, w.box)
		switch {
		case err != nil:
			return err
		case next.batch != nil:
			if !w.tell(next.batch.inOrder()) {
				return errStopped
			}
		case next.err != nil:
			w.interrupted(next.err)
		default:
			w.answered()
		}
	}
}

// runAlone reads streams of its own; with mayShare, until it can share one.
func (w *watch) runAlone(ctx context.Context, mayShare bool) error {
	for {
		err := w.stream(ctx, mayShare)
		switch {
		case errors.Is(err, errStopped), errors.Is(err, errShares), errors.Is(err, ErrClosed):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		w.client.log.Info("confreg: the watch was interrupted", "error", err)
		w.interrupted(err)
		if w.place.lost(err) {
			continue // the wait was before the attempt that has found that out
		}
		_, atLeast := codeOf(err)
		if !sleep(ctx, w.waits.next(atLeast)) {
			return waitFor(ctx)
		}
	}
}

// stream opens one stream and reads it to its end.
func (w *watch) stream(ctx context.Context, mayShare bool) error {
	o := w.options
	reader := newReader(w.place, w.client.mostBytes)
	request := watchRequest(o.Selectors, o.LatestOnly, o.Resolve, w.place)
	return w.client.read(ctx, request, func(response *pb.WatchResponse) error {
		told, err := reader.feed(response)
		if err != nil {
			return err
		}
		w.answered()
		if !isStart(response) {
			w.waits.reset() // a stream that ends as soon as it is established is no success
		}
		if told != nil && !w.tell(told) {
			return errStopped
		}
		w.place = reader.place
		isInStep := response.Kind == pb.WatchResponseKind_WATCH_RESPONSE_KIND_PROGRESS ||
			told != nil && told.state != nil
		if mayShare && !reader.isWithin() && w.client.sharing.attach(w.box, w.place, isInStep) {
			return errShares
		}
		return nil
	})
}

func isStart(response *pb.WatchResponse) bool {
	return response.Kind == pb.WatchResponseKind_WATCH_RESPONSE_KIND_STARTED
}

// read opens a stream and reads it to its end.
func (c *Client) read(ctx context.Context, request *pb.WatchRequest, take func(*pb.WatchResponse) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.silence, func() { cancel(errSilent) })
	defer silence.Stop()
	opened, err := c.service.Watch(ctx, request)
	for err == nil {
		var response *pb.WatchResponse
		silence.Reset(c.silence)
		response, err = opened.Recv()
		silence.Stop()
		if err == nil {
			err = take(response)
		}
	}
	if errors.Is(err, io.EOF) {
		return &Error{Code: codes.Unavailable, Message: "the server has ended the stream"}
	}
	return err
}

// ---- What is told ----

// tell says whether the watch goes on.
func (w *watch) tell(told *batch) bool {
	update := w.view.take(told)
	return update == nil || w.yield(update, nil)
}

func (w *watch) answered() {
	if !w.connected && w.options.OnConnect != nil {
		w.options.OnConnect()
	}
	w.connected = true
}

func (w *watch) interrupted(err error) {
	w.connected = false
	if w.options.OnInterrupt != nil {
		w.options.OnInterrupt(err)
	}
}
