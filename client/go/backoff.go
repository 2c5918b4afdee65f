package confreg

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is full jitter: each wait is between nothing and a bound that doubles. Nobody comes back
// before a random wait, so the clients of a restarted server come back spread over time.
type backoff struct {
	first time.Duration // the first bound
	bound time.Duration // the next one; 0: first
}

const (
	firstWait = 200 * time.Millisecond
	mostWait  = 15 * time.Second
)

// next returns how long to wait now. The server may have asked for atLeast.
func (b *backoff) next(atLeast time.Duration) time.Duration {
	if b.bound == 0 {
		b.bound = b.first
	}
	wait := atLeast + rand.N(b.bound)
	b.bound = min(2*b.bound, mostWait)
	return wait
}

func (b *backoff) reset() {
	b.bound = 0
}

// sleep waits, and says whether it did: false as soon as the context ends, and at once if its deadline
// comes first.
func sleep(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
