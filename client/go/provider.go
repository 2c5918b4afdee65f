package confreg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// State of a Provider.
type State int32

// The states.
const (
	// Loading: the registry has not answered yet. Values are those of the last-known-good file, else none.
	Loading State = iota
	// Ready: the values are those of the registry.
	Ready
	// Stale: the registry has been away for longer than StaleAfter. The values are the last known.
	Stale
)

// String returns "loading", "ready" or "stale".
func (s State) String() string {
	return [...]string{"loading", "ready", "stale"}[s]
}

// ProviderOptions of a Provider. The callbacks are called one at a time, in the goroutine that brings the
// news; they may use all of the provider, its Close included. While one runs, the newest news wait.
type ProviderOptions struct {
	// Resolve merges the config over that of the environment "default".
	Resolve bool
	// StaleAfter is how long the registry may be away before the state is Stale. 0: a minute.
	StaleAfter time.Duration
	// EnvPrefix: where the config has no key such as db_host, the variable EnvPrefix + "DB_HOST" counts.
	EnvPrefix string
	// References replaces ${env:NAME} in texts by the variable, and ${file:PATH} by the content of a regular
	// file without white space at its end, of at most 1 MiB of UTF-8, each time that the config changes, and
	// by Refresh.
	// A key in whose value one leads nowhere counts as missing, which is logged. Values.Data and the
	// LastKnownGood file have the references. Who may write the config can read the program's variables
	// and files by this.
	References bool
	// LastKnownGood is a file that keeps the last values, for a start while the registry is away. A file
	// that is damaged or cannot be written is no error: the logger hears of it.
	LastKnownGood string
	// OnState is called with each new state.
	OnState func(State)
	// OnChange is called after each change of the values, with those before. It is not called for the
	// first ones; for those of the registry after those of the file only if they differ.
	OnChange func(before, now *Values)
}

const defaultStaleAfter = time.Minute

// Provider has the values of one config and keeps them up to date. Its getters read memory, without a
// lock: they never wait and never fail.
type Provider struct {
	client  *Client
	name    Name
	options ProviderOptions
	file    *lastKnown // nil: none
	values  atomic.Pointer[Values]
	state   atomic.Int32
	err     atomic.Pointer[error]

	ready     chan struct{} // closed when the registry has answered
	readyOnce sync.Once
	cancel    context.CancelFunc
	done      chan struct{} // closed when the provider has ended

	mu    sync.Mutex
	known bool        // there were values, of whatever source
	stale *time.Timer // runs while the registry is away; nil: it is not
	ended bool
	news  news  // that was not told yet
	told  State // by OnState
	tells bool  // a callback runs
}

// news is what callbacks have to tell.
type news struct {
	state       *State  // nil: it is as it was told
	before, now *Values // nil: they are as they were told
}

// NewProvider returns a provider with the values of the last-known-good file, if there is one, and starts
// to follow the registry, until the context ends or Close. It does not wait for the registry: WaitReady
// does.
func NewProvider(ctx context.Context, client *Client, name Name, options ProviderOptions) *Provider {
	if options.StaleAfter <= 0 {
		options.StaleAfter = defaultStaleAfter
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Provider{client: client, name: name.orDefault(), options: options, cancel: cancel,
		ready: make(chan struct{}), done: make(chan struct{})}
	p.values.Store(&Values{envPrefix: options.EnvPrefix})
	if options.LastKnownGood != "" {
		p.file = &lastKnown{options.LastKnownGood, p.name, options.Resolve}
		p.readFile()
	}
	go p.follow(ctx)
	return p
}

func (p *Provider) readFile() {
	values, err := p.file.read()
	if err != nil {
		p.client.log.Warn("confreg: the last known values cannot be used", "error", err)
	}
	if values != nil {
		p.complete(values)
		p.values.Store(values)
		p.known = true
	}
}

// Close ends the provider; it may be called in a callback. No callback begins after it, but it does not wait
// for one that runs: Done tells its end. The values stay.
func (p *Provider) Close() error {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.stopTimer()
	return nil
}

// Done is closed when the provider has ended: by Close, with its context, or with the client.
func (p *Provider) Done() <-chan struct{} {
	return p.done
}

func (p *Provider) follow(ctx context.Context) {
	defer close(p.done)
	defer func() { _ = p.Close() }()
	updates := p.client.Watch(ctx, WatchOptions{
		Selectors:  []Selector{{Environment: p.name.Environment, Service: p.name.Service}},
		LatestOnly: true, Resolve: p.options.Resolve,
		OnConnect: p.connected, OnInterrupt: p.interrupted,
	})
	for update, err := range updates {
		if err != nil {
			p.interrupted(err)
			return
		}
		p.takeUpdate(update)
	}
}

func (p *Provider) takeUpdate(update *Update) {
	var config *Config
	touched := update.First
	for i := range update.Changes {
		if change := &update.Changes[i]; change.TouchesHead() {
			config, touched = change.Config, true
		}
	}
	if touched {
		p.take(config, update.Position)
	}
}

// take makes a config (nil: there is none) the values, unless they are newer already.
func (p *Provider) take(config *Config, position Position) {
	values, err := p.valuesOf(config, position)
	p.change(func() {
		if err != nil {
			p.fail(err)
		} else if !p.ended {
			p.replace(values, position)
		}
	})
}

// change changes the provider, and tells what it has changed.
func (p *Provider) change(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	if p.tells {
		return // whoever tells goes on with this
	}
	p.tells = true
	defer func() { p.tells = false }()
	for !p.ended && p.news != (news{}) {
		p.tellNews()
	}
}

// tellNews calls the callbacks, without the mutex, which is held before and afterwards.
func (p *Provider) tellNews() {
	told := p.news
	p.news = news{}
	isNew := told.state != nil && *told.state != p.told
	if isNew {
		p.told = *told.state
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	if isNew && p.options.OnState != nil {
		p.options.OnState(*told.state)
	}
	if told.now != nil && !bytes.Equal(told.before.raw, told.now.raw) && p.options.OnChange != nil {
		p.options.OnChange(told.before, told.now)
	}
}

// replace makes these the values, unless those that are there are newer. The mutex is held.
func (p *Provider) replace(values *Values, position Position) {
	before := p.values.Load()
	if isOlder(position, before.position) {
		p.become(Ready)
		return
	}
	p.values.Store(values)
	p.become(Ready)
	if p.known && !bytes.Equal(before.raw, values.raw) {
		if p.news.before == nil {
			p.news.before = before
		}
		p.news.now = values
	}
	p.known = true
	p.keep(values)
}

// isOlder says whether a is a place before b in the same log: a node may lag behind what another one, or
// a Refresh, has told.
func isOlder(a, b Position) bool {
	return a.Epoch == b.Epoch && a.Revision < b.Revision
}

func (p *Provider) valuesOf(config *Config, position Position) (*Values, error) {
	values := &Values{}
	if config != nil && config.Version > 0 {
		if config.Payload != PayloadPresent {
			return nil, fmt.Errorf("confreg: the payload of %s is %s", p.name, config.Payload)
		}
		parsed, err := ParseValues(config.Data)
		if err != nil {
			return nil, err
		}
		values, parsed.version = parsed, config.Version
	}
	values.position = position
	p.complete(values)
	return values, nil
}

// complete makes the values what the options say.
func (p *Provider) complete(values *Values) {
	values.envPrefix = p.options.EnvPrefix
	if p.options.References {
		values.replaceReferences(p.client.log)
	}
}

// keep writes the values to the file; those of a config that was deleted are none to start with.
func (p *Provider) keep(values *Values) {
	if p.file == nil || values.raw == nil {
		return
	}
	if err := p.file.write(values); err != nil {
		p.client.log.Warn("confreg: the last known values cannot be kept", "error", err)
	}
}

// connected is called when the watch answers. What is Loading has no values of the registry yet.
func (p *Provider) connected() {
	p.change(func() {
		if p.State() != Loading && !p.ended {
			p.become(Ready)
		}
	})
}

func (p *Provider) interrupted(err error) {
	p.change(func() { p.fail(err) })
}

// fail notes why the registry cannot be read. The mutex is held.
func (p *Provider) fail(err error) {
	p.err.Store(&err)
	if p.State() == Ready && p.stale == nil && !p.ended {
		p.stale = time.AfterFunc(p.options.StaleAfter, p.becomeStale)
	}
}

func (p *Provider) becomeStale() {
	p.change(func() {
		if p.stale != nil && !p.ended {
			p.stale = nil
			p.become(Stale)
		}
	})
}

func (p *Provider) stopTimer() {
	if p.stale != nil {
		p.stale.Stop()
		p.stale = nil
	}
}

// become changes the state. The mutex is held.
func (p *Provider) become(state State) {
	if state == Ready {
		p.stopTimer()
		p.err.Store(nil)
	}
	changed := State(p.state.Swap(int32(state))) != state
	if state == Ready {
		p.readyOnce.Do(func() { close(p.ready) })
	}
	if changed {
		p.news.state = &state
	}
}

// State says how current the values are.
func (p *Provider) State() State {
	return State(p.state.Load())
}

// Err is why the registry cannot be read now. Nil: it can, or was not asked yet.
func (p *Provider) Err() error {
	if err := p.err.Load(); err != nil {
		return *err
	}
	return nil
}

// WaitReady waits until the registry has answered. Its error has that of the context, and why the
// registry does not answer.
func (p *Provider) WaitReady(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	default:
	}
	select {
	case <-p.ready:
		return nil
	case <-p.done:
		return errors.Join(errEnded, p.Err())
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), p.Err())
	}
}

var errEnded = errors.New("confreg: the provider has ended")

// Refresh reads the registry now, and what references stand for. On an error the values stay.
func (p *Provider) Refresh(ctx context.Context) error {
	config, position, err := p.client.get(ctx, p.name, GetOptions{Resolve: p.options.Resolve})
	if errors.Is(err, ErrNotFound) {
		// The answer has no position; the watch tells a delete with one.
		return nil
	}
	if err != nil {
		return err
	}
	p.take(config, position)
	return nil
}

// Snapshot returns the values as of one version, for keys that belong together.
func (p *Provider) Snapshot() *Values {
	return p.values.Load()
}

// String is of [Getter].
func (p *Provider) String(key, byDefault string) string {
	return p.values.Load().String(key, byDefault)
}

// Bool is of [Getter].
func (p *Provider) Bool(key string, byDefault bool) bool {
	return p.values.Load().Bool(key, byDefault)
}

// Int is of [Getter].
func (p *Provider) Int(key string, byDefault int64) int64 {
	return p.values.Load().Int(key, byDefault)
}

// Float is of [Getter].
func (p *Provider) Float(key string, byDefault float64) float64 {
	return p.values.Load().Float(key, byDefault)
}

// Duration is of [Getter].
func (p *Provider) Duration(key string, byDefault time.Duration) time.Duration {
	return p.values.Load().Duration(key, byDefault)
}

// Lookup is of [Getter].
func (p *Provider) Lookup(key string) (any, bool) {
	return p.values.Load().Lookup(key)
}

// Decode is of [Getter].
func (p *Provider) Decode(key string, v any) error {
	return p.values.Load().Decode(key, v)
}
