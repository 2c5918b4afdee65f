package confreg

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"time"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const mostReceived = 64 << 20 // of a message, in bytes

// conn makes the calls of the generated stubs: it adds the token and a request id, repeats what is safe
// to repeat, and goes on to the next address when a server is away.
//
// A link is one gRPC connection. There is one at a time, opened by the first call after the one before
// has failed: gRPC's own reconnecting, with its own waits, never comes into play.
type conn struct {
	addresses []string
	dial      []grpc.DialOption
	tokenFile string
	timeout   time.Duration
	firstWait time.Duration // the bound of the wait before the first repeat

	mu     sync.Mutex
	at     int           // the address in use
	link   *link         // nil: the next call opens it
	links  map[*link]int // all that are open, with the number of calls on each
	closed bool
}

type link struct {
	*grpc.ClientConn
}

func newConn(options *Options) *conn {
	security := insecure.NewCredentials()
	if options.TLS != nil {
		security = newFileCredentials(*options.TLS)
	}
	return &conn{
		addresses: options.Addresses,
		dial:      append(dialOptions(security), options.DialOptions...),
		tokenFile: options.TokenFile,
		timeout:   options.Timeout,
		firstWait: firstWait,
		at:        mathrand.IntN(len(options.Addresses)),
		links:     map[*link]int{},
	}
}

func dialOptions(security credentials.TransportCredentials) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostReceived)),
		// Notices a server that hangs with its connection open.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
	}
}

// take returns the link for a call, which gives it back.
func (c *conn) take() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.link == nil {
		opened, err := grpc.NewClient(c.addresses[c.at], c.dial...)
		if err != nil {
			return nil, err
		}
		c.link = &link{opened}
		c.links[c.link] = 0
	}
	c.links[c.link]++
	return c.link, nil
}

func (c *conn) giveBack(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[l]--
	c.closeUnused(l)
}

// closeUnused closes a link that was given up once no call uses it. The mutex is held.
func (c *conn) closeUnused(l *link) {
	if n, open := c.links[l]; open && n <= 0 && l != c.link {
		delete(c.links, l)
		_ = l.Close()
	}
}

// failed gives the link up after a call on it has failed with this. The next call opens one to the next
// address. Where there is no other, a link whose server answers is kept.
func (c *conn) failed(l *link, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Code != codes.Unavailable && e.Code != codes.DeadlineExceeded {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l != c.link || e.Reason != "" && len(c.addresses) == 1 {
		return
	}
	c.at = (c.at + 1) % len(c.addresses)
	c.link = nil
	c.closeUnused(l)
}

// close ends all calls.
func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.link = true, nil
	for l := range c.links {
		delete(c.links, l)
		_ = l.Close()
	}
}

func (c *conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *conn) withToken(ctx context.Context) (context.Context, error) {
	token, err := readToken(c.tokenFile)
	if err != nil {
		return nil, &Error{Code: codes.Unavailable, Message: err.Error()}
	}
	if token == "" {
		return ctx, nil
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), nil
}

// Invoke makes a unary call, until it succeeds, fails for good, or the time is over.
func (c *conn) Invoke(ctx context.Context, method string, args, reply any,
	options ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	request := withRequestID(args)
	waits := backoff{first: c.firstWait}
	var before error
	for {
		err := c.attempt(ctx, method, request, reply, options)
		if err == nil {
			return nil
		}
		if !isTransient(ctx, err) {
			return telling(err, before)
		}
		_, atLeast := codeOf(err)
		if !sleep(ctx, waits.next(atLeast)) {
			return err
		}
		before = err
	}
}

// telling returns the error of the last attempt, or of the one before (nil: there was none) where the
// last one just ran out of time: that says what was in the way.
func telling(last, before error) error {
	var e *Error
	if before != nil && errors.As(last, &e) && e.Code == codes.DeadlineExceeded && e.Reason == "" {
		return before
	}
	return last
}

// attempt makes one call. If there are other addresses, it takes at most half of the time that is left.
func (c *conn) attempt(ctx context.Context, method string, request, reply any,
	options []grpc.CallOption) error {
	l, err := c.take()
	if err != nil {
		return err
	}
	defer c.giveBack(l)
	if deadline, ok := ctx.Deadline(); ok && len(c.addresses) > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	ctx, err = c.withToken(ctx)
	if err != nil {
		return err
	}
	if err = l.Invoke(ctx, method, request, reply, options...); err == nil {
		return nil
	}
	err = c.explain(err)
	c.failed(l, err)
	return err
}

// explain returns the *Error of what gRPC returned, or ErrClosed.
func (c *conn) explain(err error) error {
	err = asError(err)
	if code, _ := codeOf(err); code == codes.Canceled && c.isClosed() {
		return ErrClosed
	}
	return err
}

// isTransient says whether a call that failed with this may succeed when it is repeated. Its time is
// that of ctx; an attempt may have had less.
func isTransient(ctx context.Context, err error) bool {
	var e *Error
	if !errors.As(err, &e) || ctx.Err() != nil {
		return false
	}
	return e.Code == codes.Unavailable || e.Code == codes.DeadlineExceeded && e.Reason == ""
}

// NewStream opens a stream. It is not repeated.
func (c *conn) NewStream(ctx context.Context, description *grpc.StreamDesc, method string,
	options ...grpc.CallOption) (grpc.ClientStream, error) {
	l, err := c.take()
	if err != nil {
		return nil, err
	}
	ctx, err = c.withToken(ctx)
	if err != nil {
		c.giveBack(l)
		return nil, err
	}
	opened, err := l.NewStream(ctx, description, method, options...)
	if err != nil {
		err = c.explain(err)
		c.failed(l, err)
		c.giveBack(l)
		return nil, err
	}
	// gRPC ends the context of a stream when the stream ends, however that comes.
	context.AfterFunc(opened.Context(), func() { c.giveBack(l) })
	return &stream{opened, ctx, c, l}, nil
}

// stream explains its errors: those of gRPC, and the cause that its caller has ended it for.
type stream struct {
	grpc.ClientStream
	caller context.Context
	conn   *conn
	link   *link
}

func (s *stream) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if cause := context.Cause(s.caller); errors.Is(cause, errSilent) {
		err = cause
	}
	err = s.conn.explain(err)
	s.conn.failed(s.link, err)
	return err
}

// ---- Request ids ----

// withRequestID returns the request with an id where it takes one and has none, so that it is safe to
// repeat. The caller's message stays as it is.
func withRequestID(request any) any {
	message, ok := request.(proto.Message)
	if !ok {
		return request
	}
	if writes, ok := message.(*pb.WriteConfigsRequest); ok {
		named := proto.CloneOf(writes)
		for _, write := range named.Writes {
			nameWrite(write)
		}
		return named
	}
	field := idField(message.ProtoReflect())
	if field == nil || message.ProtoReflect().Get(field).String() != "" {
		return request
	}
	named := proto.Clone(message)
	named.ProtoReflect().Set(field, protoreflect.ValueOfString(newRequestID()))
	return named
}

func idField(message protoreflect.Message) protoreflect.FieldDescriptor {
	return message.Descriptor().Fields().ByName("request_id")
}

// nameWrite does the same for one of several independent writes.
func nameWrite(write *pb.Write) {
	reflected := write.ProtoReflect()
	set := reflected.WhichOneof(reflected.Descriptor().Oneofs().ByName("write"))
	if set == nil {
		return
	}
	part := reflected.Mutable(set).Message()
	if field := idField(part); field != nil && part.Get(field).String() == "" {
		part.Set(field, protoreflect.ValueOfString(newRequestID()))
	}
}

func newRequestID() string {
	return rand.Text()
}
