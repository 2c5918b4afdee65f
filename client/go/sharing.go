package confreg

import (
	"context"
	"errors"
	"slices"
	"sync"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc/codes"
)

// mostSelectors is how many a watch may have, by the server's limit.
const mostSelectors = 128

// sharing has the streams that the watches of a client share: one, as long as all of them take at most
// 128 different selectors, and one more for those that resolve.
//
// A stream is opened anew for a watch that joins. What it resumes after is the oldest place of all its
// watches; each of them passes over what it has (see view), so nothing is lost in between.
type sharing struct {
	client     *Client
	mostQueued int // see the constant

	mu      sync.Mutex // of the members below, of each sharedStream and each box
	streams []*sharedStream
	boxes   map[*box]struct{} // of all watches that run
	closed  bool
}

// sharedStream is a stream, over all its interruptions, with a goroutine of its own. It ends with its
// last watch.
type sharedStream struct {
	of      *sharing
	resolve bool
	cancel  context.CancelFunc
	waits   backoff // only the goroutine

	boxes  []*box   // never empty
	place  place    // each box that is started has all up to there
	open   *opening // nil: none
	broken error    // why it is not connected; nil: it is, or was not opened yet
	// The state of those that join could not be read.
	failed    bool // the last time
	postponed bool // it is tried again once the stream of the others is open
}

// opening is one stream of gRPC.
type opening struct {
	kind       openingKind
	boxes      []*box // that it is for
	selectors  []Selector
	latestOnly bool
	place      place
	cancel     context.CancelFunc
	isSettled  bool // it has answered, and is not in a snapshot
	isReplaced bool // it is ended for another one
}

type openingKind int

const (
	beginAll openingKind = iota // a state for all, then every change
	beginNew                    // a state for those that join, and no more
	goOn                        // every change
)

var (
	errReplaced = errors.New("the stream is replaced")
	errAlone    = errors.New("the watch has to take a stream of its own")
)

// isRefusal says whether a stream that failed with this may be good for some of its watches.
func isRefusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == codes.InvalidArgument || e.Code == codes.PermissionDenied ||
		e.Reason == "WATCH_TOO_LARGE")
}

func newSharing(client *Client) *sharing {
	return &sharing{client: client, mostQueued: mostQueued, boxes: map[*box]struct{}{}}
}

// ---- Coming and going ----

// add notes a watch that begins. False: the client is closed.
func (s *sharing) add(b *box) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.boxes[b] = struct{}{}
	}
	return !s.closed
}

// remove is told of its end.
func (s *sharing) remove(b *box) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.boxes, b)
	if home := b.home; home != nil {
		home.boxes = slices.DeleteFunc(home.boxes, func(other *box) bool { return other == b })
		home.endIfEmpty()
	}
}

// close ends all watches.
func (s *sharing) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for b := range s.boxes {
		b.cancel(ErrClosed)
	}
}

// next returns the next item of the box; errAlone: its watch has to take a stream of its own.
func (s *sharing) next(ctx context.Context, b *box) (item, error) {
	for {
		if ctx.Err() != nil {
			return item{}, context.Cause(ctx)
		}
		s.mu.Lock()
		found, ok := b.pop()
		isAlone := b.home == nil
		s.mu.Unlock()
		if ok {
			return found, nil
		}
		if isAlone {
			return item{}, errAlone
		}
		select {
		case <-b.moved:
		case <-ctx.Done():
		}
	}
}

// resumeOf is what the stream of a watch that is alone goes on after; nil: it begins with a snapshot.
func (s *sharing) resumeOf(b *box) *pb.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return b.resume
}

// join makes a watch without a position share a stream. It is given the state first.
func (s *sharing) join(b *box) {
	s.mu.Lock()
	defer s.mu.Unlock()
	home := s.find(b)
	if home == nil {
		s.start(b, place{})
		return
	}
	home.take(b)
	if home.broken != nil {
		b.tell(home.broken)
	}
	if home.open != nil && home.open.isSettled {
		home.open.replace()
	}
}

// attach makes a watch with a stream of its own, which is at this place, share one instead. isInStep: all
// up to there has been delivered. False: it has not caught up with the others yet.
func (s *sharing) attach(b *box, at place, isInStep bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	home := s.find(b)
	switch {
	case at.position == nil || s.closed:
		return false
	case home == nil:
		if isInStep {
			s.start(b, at)
		}
	case home.place.position.GetEpoch() != at.position.Epoch: // or it has no place
	case home.open != nil && home.open.kind == beginAll && !home.open.isSettled:
	case isInStep || !isBehind(at.position, home.place.position):
		home.admit(b, at)
	}
	b.started, b.connected = b.home != nil, true
	return b.started
}

// isBehind says whether a is before b in the same log.
func isBehind(a, b *pb.Position) bool {
	return isOlder(positionOf(a), positionOf(b))
}

// find returns the stream with room for the box; nil: there is none.
func (s *sharing) find(b *box) *sharedStream {
	for _, home := range s.streams {
		if home.resolve == b.resolve && len(union(append(slices.Clip(home.boxes), b))) <= mostSelectors {
			return home
		}
	}
	return nil
}

// start makes a stream for the first of its boxes.
func (s *sharing) start(b *box, at place) {
	ctx, cancel := context.WithCancel(context.Background())
	home := &sharedStream{of: s, resolve: b.resolve, cancel: cancel, place: at,
		waits: backoff{first: s.client.conn.firstWait}}
	home.take(b)
	s.streams = append(s.streams, home)
	go home.run(ctx)
}

func (h *sharedStream) take(b *box) {
	h.boxes = append(h.boxes, b)
	b.home, b.started = h, false
}

// admit takes a box that goes on after this place.
func (h *sharedStream) admit(b *box, at place) {
	isCovered := h.open != nil && h.open.covers(b) && !isBehind(at.position, h.place.position)
	h.take(b)
	h.include(at)
	if h.open != nil && h.open.kind != beginNew && !isCovered {
		h.open.replace()
	}
}

// include makes the next stream go on where this place (in the same log) needs it.
func (h *sharedStream) include(at place) {
	if isBehind(at.position, h.place.position) {
		h.place.position = at.position
	}
	h.place.rights = max(h.place.rights, at.rights)
}

// endIfEmpty ends the stream of which no watch is left. The mutex is held.
func (h *sharedStream) endIfEmpty() {
	if len(h.boxes) == 0 {
		h.of.streams = slices.DeleteFunc(h.of.streams, func(other *sharedStream) bool { return other == h })
		h.cancel()
	}
}

// sendAlone makes boxes take streams of their own.
func (h *sharedStream) sendAlone(boxes []*box) {
	for _, b := range boxes {
		if b.home == h {
			b.goAlone(nil)
		}
	}
	h.dropAlone()
}

func (h *sharedStream) dropAlone() {
	h.boxes = slices.DeleteFunc(h.boxes, func(b *box) bool { return b.home != h })
	h.endIfEmpty()
}

// ---- The stream ----

// run opens one stream of gRPC after the other, until the context ends.
func (h *sharedStream) run(ctx context.Context) {
	for {
		opened, cancel := context.WithCancel(ctx)
		o := h.plan(opened, cancel)
		if o == nil {
			cancel()
			return
		}
		err := h.read(opened, o)
		cancel()
		atOnce := h.ended(ctx, o, err)
		if atOnce {
			continue
		}
		_, atLeast := codeOf(err)
		if !sleep(ctx, h.waits.next(atLeast)) {
			return
		}
	}
}

// plan returns what to open; nil: nothing any more.
func (h *sharedStream) plan(ctx context.Context, cancel context.CancelFunc) *opening {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	isNew := func(b *box) bool { return !b.started }
	o := &opening{kind: goOn, boxes: slices.Clone(h.boxes), cancel: cancel, place: h.place}
	switch n := h.countNew(); {
	case h.place.position == nil || n == len(h.boxes):
		o.kind, o.place.position = beginAll, nil
	case n > 0 && !h.postponed:
		o.kind, o.place = beginNew, place{}
		o.boxes = slices.DeleteFunc(o.boxes, func(b *box) bool { return b.started })
	case n > 0:
		o.boxes = slices.DeleteFunc(o.boxes, isNew)
	}
	o.selectors = union(o.boxes)
	o.latestOnly = !slices.ContainsFunc(o.boxes, func(b *box) bool { return !b.latestOnly })
	h.open = o
	return o
}

func (h *sharedStream) countNew() int {
	n := 0
	for _, b := range h.boxes {
		if !b.started {
			n++
		}
	}
	return n
}

// replace ends the stream, so that the next one is opened at once.
func (o *opening) replace() {
	o.isReplaced = true
	o.cancel()
}

// covers says whether all that the box selects comes.
func (o *opening) covers(b *box) bool {
	return (!o.latestOnly || b.latestOnly) && (len(o.selectors) == 0 || len(b.selectors) > 0 &&
		!slices.ContainsFunc(b.selectors, func(s Selector) bool { return !slices.Contains(o.selectors, s) }))
}

// read reads the stream to its end.
func (h *sharedStream) read(ctx context.Context, o *opening) error {
	reader := newReader(o.place, h.of.client.mostBytes)
	request := watchRequest(o.selectors, o.latestOnly, h.resolve, o.place)
	return h.of.client.read(ctx, request, func(response *pb.WatchResponse) error {
		told, err := reader.feed(response)
		if err != nil {
			return err
		}
		if !isStart(response) {
			h.waits.reset() // a stream that ends as soon as it is established is no success
		}
		return h.deliver(o, reader, told)
	})
}

// deliver puts what the stream tells (nil: nothing) into the boxes.
func (h *sharedStream) deliver(o *opening, reader *reader, told *batch) error {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	if o.isReplaced {
		return errReplaced // the next one begins no later than here
	}
	for _, b := range o.boxes {
		if b.home == h {
			b.tell(nil)
		}
	}
	if o.kind == beginNew {
		return h.deliverNew(o, reader, told)
	}
	h.broken = nil
	if told != nil && told.state != nil {
		h.putState(o, reader, told)
	} else if told != nil {
		h.putChanges(told)
	}
	h.place = reader.place
	if o.isSettled = !reader.loading; o.isSettled && h.countNew() > 0 {
		h.postponed, o.isReplaced = false, true
		return errReplaced
	}
	return nil
}

// deliverNew does it for those that join. With their state, they go on with the others.
func (h *sharedStream) deliverNew(o *opening, reader *reader, told *batch) error {
	if told == nil {
		return nil
	}
	h.failed, o.isReplaced = false, true
	h.putState(o, reader, told)
	if at := reader.place; at.position == nil || at.position.Epoch != h.place.position.GetEpoch() {
		h.place.position = nil // of another log: all begin anew
	} else {
		h.include(at)
	}
	return errReplaced
}

// putState gives each box its part. One of which the caller may read nothing is not told so by a stream
// that is filtered: its watch finds out alone.
func (h *sharedStream) putState(o *opening, reader *reader, told *batch) {
	isVague := reader.place.rights == rightsToSome && len(o.boxes) > 1
	for _, b := range o.boxes {
		switch {
		case b.home != h:
		case isVague && !b.selectsSome(told.state):
			b.goAlone(nil)
		default:
			b.started = true
			b.put(told, nil)
		}
	}
	h.dropAlone()
}

func (h *sharedStream) putChanges(told *batch) {
	for _, b := range h.boxes {
		if b.started {
			b.put(told, h.place.position)
		}
	}
	h.dropAlone()
}

// ended notes what has ended the stream, and says whether the next one is opened at once.
func (h *sharedStream) ended(ctx context.Context, o *opening, err error) bool {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	h.open = nil
	switch {
	case o.isReplaced, ctx.Err() != nil:
		return true
	case errors.Is(err, ErrClosed):
		return false // its watches end
	}
	h.of.client.log.Info("confreg: the watch was interrupted", "error", err)
	if o.kind == beginNew {
		h.failNew(o, err)
		return false
	}
	h.broken = err
	if o.kind == beginAll && len(o.boxes) > 1 && isRefusal(err) {
		h.sendAlone(o.boxes)
	}
	for _, b := range h.boxes {
		b.tell(err)
	}
	return h.place.lost(err)
}

// failNew is told that the state of those that join could not be read. The others do not wait for them.
func (h *sharedStream) failNew(o *opening, err error) {
	if isRefusal(err) || h.failed {
		h.sendAlone(o.boxes)
		return
	}
	h.failed, h.postponed = true, true
	for _, b := range o.boxes {
		if b.home == h {
			b.tell(err)
		}
	}
}
