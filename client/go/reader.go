package confreg

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// place is where a watch is: what its next stream goes on with.
type place struct {
	position *pb.Position // of the last response handled; nil: begin with a snapshot
	rights   rights       // as of position
	atOnce   bool         // the stream was opened without a wait, as a position was lost
}

// rights say whether the caller may read all that is selected.
type rights int

const (
	rightsUnknown rights = iota
	rightsToAll
	rightsToSome // the responses are filtered
)

func rightsOf(filtered bool) rights {
	if filtered {
		return rightsToSome
	}
	return rightsToAll
}

// lost is told what has ended a stream, and says whether the next one is opened at once: the position
// has become useless, so that one begins with a snapshot. If a stream that was opened so loses its
// position, too, there is a wait, so that a server that takes away every position is not overrun.
func (p *place) lost(err error) bool {
	isLost := p.position != nil && losesPosition(err)
	if isLost {
		p.position = nil
	}
	p.atOnce = isLost && !p.atOnce
	return p.atOnce
}

// losesPosition says whether the server will never take the position: it is of another log or of other
// rights, is compacted, or has the form of a newer server's.
func losesPosition(err error) bool {
	var refusal *Error
	if errors.Is(err, errMissed) {
		return true
	}
	switch code, _ := codeOf(err); code {
	case codes.OutOfRange, codes.FailedPrecondition:
		return true
	case codes.InvalidArgument:
		return errors.As(err, &refusal) && strings.HasPrefix(refusal.Field, "resume_after")
	default:
		return false
	}
}

// batch is what a stream tells at a time: a state, or the changes of whole commits.
type batch struct {
	state    map[Name]*Config // all that is selected; nil: changes
	changes  []Change
	position *pb.Position // afterwards
	after    *pb.Position // of the stream, before
	newest   map[Name]int // where in changes each config is; nil: not known
	bytes    int          // as they count in a box
}

// reader is the state machine of one stream: responses go in, whole batches come out. It does no I/O.
type reader struct {
	place     place
	most      int  // bytes of what is not complete
	loading   bool // the snapshot that the stream begins with is not complete
	snapshot  map[Name]*Config
	changes   []Change // of a commit that is not complete
	held      int      // bytes of these two
	delivered uint64   // revision of the newest event or snapshot
	heard     bool     // it has answered
}

var errRights error = &Error{Code: codes.FailedPrecondition, Reason: "RIGHTS_CHANGED",
	Message: "the caller's rights have changed: the state is read anew"}

var errDamaged error = &Error{Code: codes.DataLoss, Reason: "PAYLOAD_MALFORMED",
	Message: "the data of a config are no JSON"}

var errGarbage error = &Error{Code: codes.DataLoss, Reason: "RESPONSE_MALFORMED",
	Message: "a response of the stream has no position, or is none of such a stream"}

func tooLarge(most int) error {
	return &Error{Code: codes.ResourceExhausted, Reason: "WATCH_TOO_LARGE", Message: fmt.Sprintf(
		"a snapshot or a commit is larger than Options.MaxWatchBytes, %d", most)}
}

// newReader reads a stream that goes on at this place.
func newReader(at place, most int) *reader {
	r := &reader{place: at, most: most, loading: at.position == nil}
	if r.loading {
		r.snapshot, r.place.rights = map[Name]*Config{}, rightsUnknown
	}
	return r
}

// watchRequest is what opens a stream that goes on at this place.
func watchRequest(selectors []Selector, latestOnly, resolve bool, at place) *pb.WatchRequest {
	request := &pb.WatchRequest{
		Conflate: latestOnly, Resolve: resolve, IncludeLarge: true,
		IncludeSnapshot: at.position == nil, ResumeAfter: at.position,
		ProgressInterval: durationpb.New(progressInterval),
	}
	for _, s := range selectors {
		request.Selectors = append(request.Selectors, &pb.Selector{
			Environment: s.Environment, ServiceName: s.Service, ServiceNamePrefix: s.Prefix})
	}
	return request
}

// feed takes the next response, and returns a batch if there is a whole one. On an error the stream is
// to be ended.
func (r *reader) feed(response *pb.WatchResponse) (*batch, error) {
	if response.PreviousRevision != r.delivered {
		return nil, errMissed
	}
	if !r.sameRights(rightsOf(response.Filtered)) {
		return nil, errRights
	}
	r.heard = true
	told, err := r.take(response)
	if err != nil {
		return nil, err
	}
	if response.Header.GetRevision() > 0 && !response.More && !r.loading {
		r.place.position = response.Header
	}
	return told, nil
}

// isWithin says whether a snapshot or a commit is not complete.
func (r *reader) isWithin() bool {
	return r.loading || r.held > 0
}

// take ignores responses of a kind that a newer server knows.
func (r *reader) take(response *pb.WatchResponse) (*batch, error) {
	switch response.Kind {
	case pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT:
		return nil, r.takePart(response)
	case pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END:
		return r.takeEnd(response.Header)
	case pb.WatchResponseKind_WATCH_RESPONSE_KIND_EVENTS:
		return r.takeEvents(response)
	}
	return nil, nil
}

// sameRights says whether what the caller may see is what the copy was made of. A stream that begins with
// a snapshot says first what its copy is made of.
func (r *reader) sameRights(now rights) bool {
	if r.place.rights == rightsUnknown {
		r.place.rights = now
	}
	return r.place.rights == now
}

// itemBytes is what a config or a change takes beside its message, about: one that says nothing takes two
// bytes of a message.
const itemBytes = 512

// hold notes that the response is kept.
func (r *reader) hold(response *pb.WatchResponse) error {
	r.held += proto.Size(response) + itemBytes*(len(response.Configs)+len(response.Events))
	if r.held > r.most {
		return tooLarge(r.most)
	}
	if !isSound(response) {
		return errDamaged
	}
	return nil
}

// isSound says whether all payloads are JSON.
func isSound(response *pb.WatchResponse) bool {
	for _, config := range response.Configs {
		if len(config.ConfigData) > 0 && !json.Valid(config.ConfigData) {
			return false
		}
	}
	for _, event := range response.Events {
		if data := event.Config.GetConfigData(); len(data) > 0 && !json.Valid(data) {
			return false
		}
	}
	return true
}

func (r *reader) takePart(response *pb.WatchResponse) error {
	if !r.loading {
		return errGarbage
	}
	if err := r.hold(response); err != nil {
		return err
	}
	for _, message := range response.Configs {
		config := configOf(message)
		r.snapshot[config.Name] = config
	}
	return nil
}

func (r *reader) takeEnd(header *pb.Position) (*batch, error) {
	if !r.loading || header == nil {
		return nil, errGarbage
	}
	told := &batch{state: r.snapshot, position: header}
	r.delivered, r.loading, r.snapshot, r.held = header.Revision, false, nil, 0
	return told, nil
}

func (r *reader) takeEvents(response *pb.WatchResponse) (*batch, error) {
	if r.loading || response.Header == nil {
		return nil, errGarbage
	}
	if err := r.hold(response); err != nil {
		return nil, err
	}
	for _, event := range response.Events {
		r.changes = append(r.changes, changeOf(event))
		r.delivered = event.Revision
	}
	if response.More {
		return nil, nil
	}
	told := &batch{changes: r.changes, position: response.Header}
	r.changes, r.held = nil, 0
	return told, nil
}
