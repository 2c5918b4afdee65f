package confreg

import (
	"cmp"
	"context"
	"slices"
	"strings"

	pb "confreg.io/confreg/confregv1"
)

const (
	mostQueued  = 8 << 20 // bytes of changes that wait for a watch
	mostNotices = 16      // that wait for a watch; of more, the oldest are left out
	changeBytes = 256     // of a change without its data, about
)

// box is between a stream that watches share and one of these: the stream puts in, the watch takes out.
// Nobody waits for a watch that is slow. Of one that has LatestOnly, only the newest change of each
// config waits; one that needs every step takes a stream of its own when too much waits.
//
// All but selectors, latestOnly, resolve and moved are under the mutex of sharing.
type box struct {
	selectors           []Selector
	latestOnly, resolve bool
	moved               chan struct{}           // there is an item, or no home
	cancel              context.CancelCauseFunc // ends the watch

	home      *sharedStream // nil: none
	started   bool          // home has given it a state, or goes on after one that the watch has
	connected bool          // as the watch was told
	items     []item
	notices   int          // in items
	queued    int          // bytes of the batches in items; with latestOnly 0
	resume    *pb.Position // what a stream of its own goes on after; nil: begin with a snapshot
}

// item is a batch, or what has interrupted the stream, or, where both are nil, that it is connected.
type item struct {
	batch *batch
	err   error
}

func newBox(options *WatchOptions, cancel context.CancelCauseFunc) *box {
	return &box{selectors: options.Selectors, latestOnly: options.LatestOnly, resolve: options.Resolve,
		moved: make(chan struct{}, 1), cancel: cancel}
}

func (b *box) signal() {
	select {
	case b.moved <- struct{}{}:
	default:
	}
}

// pop returns the next item; false: there is none.
func (b *box) pop() (item, bool) {
	if len(b.items) == 0 {
		return item{}, false
	}
	next := b.items[0]
	b.items = b.items[1:]
	if next.batch == nil {
		b.notices--
	} else {
		b.queued -= next.batch.bytes
	}
	return next, true
}

// tell puts in what has interrupted the stream, or, with nil, that it is connected.
func (b *box) tell(err error) {
	if err == nil && b.connected {
		return
	}
	b.connected = err == nil
	if b.notices++; b.notices > mostNotices {
		oldest := slices.IndexFunc(b.items, func(i item) bool { return i.batch == nil })
		b.items = slices.Delete(b.items, oldest, oldest+1)
		b.notices--
	}
	b.items = append(b.items, item{err: err})
	b.signal()
}

// put puts in what the box selects of a batch, which comes after this position of its stream.
func (b *box) put(told *batch, after *pb.Position) {
	own := b.part(told)
	if own.state == nil && len(own.changes) == 0 {
		return
	}
	if b.latestOnly {
		own = b.takeOut().followedBy(own)
	} else {
		own.after, own.bytes = after, own.size()
		if b.queued > 0 && b.queued+own.bytes > b.home.of.mostQueued {
			b.goAlone(b.items[b.firstBatch()].batch.after)
			return
		}
		b.queued += own.bytes
	}
	b.items = append(b.items, item{batch: own})
	b.signal()
}

// firstBatch returns its index; -1: there is none.
func (b *box) firstBatch() int {
	return slices.IndexFunc(b.items, func(i item) bool { return i.batch != nil })
}

// takeOut returns the batch that waits; nil: there is none.
func (b *box) takeOut() *batch {
	i := b.firstBatch()
	if i < 0 {
		return nil
	}
	waits := b.items[i].batch
	b.items = slices.Delete(b.items, i, i+1)
	return waits
}

func (b *box) selectsSome(state map[Name]*Config) bool {
	for name := range state {
		if selects(b.selectors, name) {
			return true
		}
	}
	return false
}

// part returns what the box selects. It has nothing in common with other batches but configs.
func (b *box) part(told *batch) *batch {
	own := &batch{position: told.position}
	if told.state != nil {
		own.state = map[Name]*Config{}
		for name, config := range told.state {
			if selects(b.selectors, name) {
				own.state[name] = config
			}
		}
	}
	for _, change := range told.changes {
		if selects(b.selectors, change.Name) && (!b.latestOnly || change.TouchesHead()) {
			own.changes = append(own.changes, change)
		}
	}
	return own
}

// goAlone makes the watch take a stream of its own, which goes on after this position. Batches that wait
// are dropped: they come again.
func (b *box) goAlone(resume *pb.Position) {
	b.items = slices.DeleteFunc(b.items, func(i item) bool { return i.batch != nil })
	b.queued, b.home, b.started, b.resume = 0, nil, false, resume
	b.signal()
}

// ---- Batches ----

// size is about how many bytes are kept by the batch.
func (b *batch) size() int {
	size := changeBytes * (1 + len(b.state) + len(b.changes))
	for i := range b.changes {
		if config := b.changes[i].Config; config != nil {
			size += len(config.Data)
		}
	}
	return size
}

// followedBy returns the newest change of each config in the two batches. The next one may have changes
// that the first one (nil: none) has, too. It takes both.
func (b *batch) followedBy(next *batch) *batch {
	if b == nil || next.state != nil {
		return next
	}
	at, position := positionOf(b.position), positionOf(next.position)
	for i := range next.changes {
		if change := &next.changes[i]; position.Epoch != at.Epoch || change.Revision > at.Revision {
			b.replace(change)
		}
	}
	if !isOlder(position, at) {
		b.position = next.position
	}
	return b
}

// replace makes the change the newest one of its config.
func (b *batch) replace(change *Change) {
	if b.state != nil {
		change.applyTo(b.state)
		return
	}
	if b.newest == nil {
		b.newest = map[Name]int{}
		for i := range b.changes {
			b.newest[b.changes[i].Name] = i
		}
	}
	if i, ok := b.newest[change.Name]; ok {
		b.changes[i] = *change
		return
	}
	b.newest[change.Name] = len(b.changes)
	b.changes = append(b.changes, *change)
}

// inOrder puts the changes in the order of their commits.
func (b *batch) inOrder() *batch {
	slices.SortStableFunc(b.changes, func(a, b Change) int { return cmp.Compare(a.Revision, b.Revision) })
	return b
}

// ---- Selectors ----

// selects says whether one of the selectors fits the name; none: all names do.
func selects(selectors []Selector, name Name) bool {
	return len(selectors) == 0 || slices.ContainsFunc(selectors, func(s Selector) bool {
		return (s.Environment == "" || s.Environment == name.Environment) &&
			(s.Service == "" || s.Service == name.Service) && strings.HasPrefix(name.Service, s.Prefix)
	})
}

// union returns the selectors of all boxes, each once; none: all configs.
func union(boxes []*box) []Selector {
	var all []Selector
	for _, b := range boxes {
		if len(b.selectors) == 0 {
			return nil
		}
		for _, s := range b.selectors {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}
