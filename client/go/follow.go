package confreg

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

// follower is the state machine of a watch: responses go in, whole updates come out. It does no I/O.
//
// It resumes after the last response that it has handled. Where the server can no longer resume there (a
// compaction, another epoch, a response that is missing, other rights), it begins with a snapshot again
// and compares: the changes in between are then told as synthetic ones, deletes included.
type follower struct {
	options  *WatchOptions
	position *pb.Position     // of the last response handled; nil: begin with a snapshot
	configs  map[Name]*Config // all that is watched; nil: not known
	epoch    string           // of configs
	filtered bool             // as of configs, or of position
	atOnce   bool             // the stream was opened without a wait, as a position was lost

	// Of the stream that is open:
	snapshot  map[Name]*Config
	changes   []Change // of a commit that is not complete
	delivered uint64   // revision of the newest event or snapshot
	heard     bool     // it has answered
}

var errRights error = &Error{Code: codes.FailedPrecondition, Reason: "RIGHTS_CHANGED",
	Message: "the caller's rights have changed: the state is read anew"}

var errDamaged error = &Error{Code: codes.DataLoss, Reason: "PAYLOAD_MALFORMED",
	Message: "the data of a config are no JSON"}

func newFollower(options *WatchOptions) *follower {
	f := &follower{options: options}
	if options.ResumeAfter.Token != "" {
		f.position = &pb.Position{Token: options.ResumeAfter.Token}
	}
	return f
}

// request returns the request of the next stream.
func (f *follower) request() *pb.WatchRequest {
	f.snapshot, f.changes, f.delivered, f.heard = map[Name]*Config{}, nil, 0, false
	request := &pb.WatchRequest{
		Conflate: f.options.LatestOnly, Resolve: f.options.Resolve, IncludeLarge: true,
		IncludeSnapshot: f.position == nil, ResumeAfter: f.position,
		ProgressInterval: durationpb.New(progressInterval),
	}
	for _, s := range f.options.Selectors {
		request.Selectors = append(request.Selectors, &pb.Selector{
			Environment: s.Environment, ServiceName: s.Service, ServiceNamePrefix: s.Prefix})
	}
	return request
}

// lost is told what has ended a stream, and says whether the next one is opened at once: the position
// has become useless, so that one begins with a snapshot. If a stream that was opened so loses its
// position, too, there is a wait, so that a server that takes away every position is not overrun.
func (f *follower) lost(err error) bool {
	code, _ := codeOf(err)
	isLost := f.position != nil &&
		(code == codes.OutOfRange || code == codes.FailedPrecondition || errors.Is(err, errMissed))
	if isLost {
		f.position = nil
	}
	f.atOnce = isLost && !f.atOnce
	return f.atOnce
}

// feed takes the next response, and returns an update if there is a whole one. On an error the stream is
// to be ended.
func (f *follower) feed(response *pb.WatchResponse) (*Update, error) {
	if response.PreviousRevision != f.delivered {
		return nil, errMissed
	}
	if !f.sameRights(response.Filtered) {
		return nil, errRights
	}
	if !isSound(response) {
		return nil, errDamaged
	}
	header := response.GetHeader()
	var update *Update
	switch response.Kind {
	case pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT:
		for _, message := range response.Configs {
			config := configOf(message)
			f.snapshot[config.Name] = config
		}
	case pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END:
		f.delivered = header.GetRevision()
		update = f.takeSnapshot(positionOf(header))
	case pb.WatchResponseKind_WATCH_RESPONSE_KIND_EVENTS:
		update = f.takeEvents(response)
	}
	if header.GetRevision() > 0 && !response.More {
		f.position = header
	}
	return update, nil
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

// sameRights says whether what the caller may see is what the copy was made of. A stream that begins with
// a snapshot says first what its copy is made of.
func (f *follower) sameRights(filtered bool) bool {
	begins := !f.heard && (f.position == nil || f.configs == nil)
	f.heard = true
	if begins {
		f.filtered = filtered
	}
	return f.filtered == filtered
}

func (f *follower) takeEvents(response *pb.WatchResponse) *Update {
	for _, event := range response.Events {
		f.changes = append(f.changes, changeOf(event))
		f.delivered = event.Revision
	}
	if response.More || len(f.changes) == 0 {
		return nil
	}
	changes := f.changes
	f.changes = nil
	if f.configs != nil {
		for i := range changes {
			f.apply(&changes[i])
		}
	}
	return &Update{Changes: changes, Position: positionOf(response.Header)}
}

func (f *follower) apply(change *Change) {
	if change.Config != nil {
		f.configs[change.Name] = change.Config
	} else if change.Deleted() {
		delete(f.configs, change.Name)
	}
}

func (f *follower) takeSnapshot(position Position) *Update {
	before, isSameLog := f.configs, f.epoch == position.Epoch
	f.configs, f.epoch, f.snapshot = f.snapshot, position.Epoch, nil
	update := &Update{Position: position, First: before == nil, Synthetic: before != nil}
	for _, config := range sorted(f.configs) {
		if before == nil || !sameConfig(before[config.Name], config, isSameLog) {
			update.Changes = append(update.Changes, found(config, position))
		}
	}
	for _, config := range sorted(before) {
		if f.configs[config.Name] == nil {
			update.Changes = append(update.Changes, Change{
				Name: config.Name, Kind: KindDelete, Revision: position.Revision})
		}
	}
	if update.Synthetic && len(update.Changes) == 0 {
		return nil
	}
	return update
}

func sorted(configs map[Name]*Config) []*Config {
	list := make([]*Config, 0, len(configs))
	for _, config := range configs {
		list = append(list, config)
	}
	slices.SortFunc(list, func(a, b *Config) int {
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Service, b.Service))
	})
	return list
}

// sameConfig says whether a head (nil: none) is still the same. Between two logs only values can be
// compared.
func sameConfig(before, now *Config, isSameLog bool) bool {
	return before != nil && before.Payload == now.Payload && bytes.Equal(before.Data, now.Data) &&
		(!isSameLog || before.Version == now.Version && before.ModRevision == now.ModRevision)
}

// found is the synthetic change that a snapshot tells.
func found(config *Config, position Position) Change {
	return Change{Name: config.Name, Kind: config.Kind, Version: config.Version, Config: config,
		HeadVersion: config.Version, Revision: position.Revision, Author: config.Author,
		Comment: config.Comment}
}
