package confreg

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	pb "confreg.io/confreg/confregv1"

	"google.golang.org/grpc/codes"
)

// told writes an update as a line: flags, changes, revision.
func told(u *Update) string {
	var words []string
	if u.First {
		words = append(words, "first")
	}
	if u.Synthetic {
		words = append(words, "synthetic")
	}
	for _, c := range u.Changes {
		words = append(words, fmt.Sprintf("%s %s %d", c.Kind, c.Service, c.HeadVersion))
	}
	return fmt.Sprintf("%s @%d", strings.Join(words, ", "), u.Position.Revision)
}

// script feeds a reader, and a view by it.
type script struct {
	t *testing.T
	*reader
	view view
	log  testLog
}

func newScript(t *testing.T, at place) *script {
	s := &script{t: t, reader: newReader(at, 1<<20), log: testLog{epoch: epoch}}
	s.request()
	return s
}

// request begins the next stream.
func (s *script) request() *pb.WatchRequest {
	s.reader = newReader(s.place, s.most)
	return watchRequest(nil, false, false, s.place)
}

func (s *script) lost(err error) bool {
	return s.place.lost(err)
}

func (s *script) feed(response *pb.WatchResponse) (*Update, error) {
	told, err := s.reader.feed(response)
	if told == nil {
		return nil, err
	}
	return s.view.take(told), nil
}

// expect feeds a response, and compares what is told, "" for nothing.
func (s *script) expect(want string, response *pb.WatchResponse) {
	s.t.Helper()
	update, err := s.feed(response)
	got := ""
	if err != nil {
		got = err.(*Error).Reason
	} else if update != nil {
		got = told(update)
	}
	if got != want {
		s.t.Fatalf("told %q, not %q", got, want)
	}
}

func (s *script) snapshot(configs ...*pb.Config) {
	s.t.Helper()
	s.expect("", &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT,
		Header: &pb.Position{Epoch: epoch}, Configs: configs})
}

func (s *script) snapshotEnd(revision int) *pb.WatchResponse {
	return &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END,
		Header: s.log.position(revision)}
}

func (s *script) events(revision int, previous uint64, events ...*pb.Event) *pb.WatchResponse {
	return &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_EVENTS,
		Header: s.log.position(revision), PreviousRevision: previous, Events: events}
}

func set(service string, revision uint64) *pb.Event {
	return &pb.Event{Kind: pb.ChangeKind_CHANGE_KIND_UPDATE, Environment: "prod", ServiceName: service,
		Version: revision, HeadVersion: revision, Revision: revision, Config: configAt("prod", service, revision)}
}

func gone(service string, revision uint64) *pb.Event {
	return &pb.Event{Kind: pb.ChangeKind_CHANGE_KIND_DELETE, Environment: "prod", ServiceName: service,
		Revision: revision}
}

func TestTheStateThenEveryChange(t *testing.T) {
	s := newScript(t, place{})
	s.snapshot(configAt("prod", "b", 2))
	s.snapshot(configAt("prod", "a", 1))
	s.expect("first, update a 1, update b 2 @2", s.snapshotEnd(2))
	s.expect("update a 3 @3", s.events(3, 2, set("a", 3)))
	s.expect("", &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_PROGRESS,
		Header: s.log.position(9), PreviousRevision: 3})
	if request := s.request(); request.IncludeSnapshot || request.ResumeAfter.Revision != 9 {
		t.Error("it does not resume after the mark of progress", request)
	}
}

func TestAnEmptyStateIsTold(t *testing.T) {
	s := newScript(t, place{})
	s.expect("first @2", s.snapshotEnd(2))
}

func TestACommitInPartsIsToldAsAWhole(t *testing.T) {
	s := newScript(t, place{})
	s.expect("first @1", s.snapshotEnd(1))
	part := s.events(1, 1, set("a", 2))
	part.More = true
	s.expect("", part)
	s.expect("update a 2, update b 2 @2", s.events(2, 2, set("b", 2)))
}

func TestAfterAPartOfACommitAllOfItComesAgain(t *testing.T) {
	s := newScript(t, place{})
	s.expect("first @1", s.snapshotEnd(1))
	part := s.events(1, 1, set("a", 2))
	part.More = true
	s.expect("", part)
	s.lost(&Error{Code: codes.Unavailable})
	if request := s.request(); request.ResumeAfter.Revision != 1 {
		t.Fatal(request)
	}
	s.expect("update a 2, update b 2 @2", s.events(2, 0, set("a", 2), set("b", 2)))
}

func TestAPartOfASnapshotIsForgotten(t *testing.T) {
	s := newScript(t, place{})
	s.snapshot(configAt("prod", "a", 1))
	s.lost(&Error{Code: codes.Unavailable})
	if request := s.request(); !request.IncludeSnapshot || request.ResumeAfter != nil {
		t.Fatal(request)
	}
	s.snapshot(configAt("prod", "b", 1))
	s.expect("first, update b 1 @1", s.snapshotEnd(1))
}

func TestWhatIsLostIsToldByANewSnapshot(t *testing.T) {
	for reason, err := range map[string]error{
		"compaction": &Error{Code: codes.OutOfRange, Reason: "COMPACTED"},
		"epoch":      &Error{Code: codes.FailedPrecondition, Reason: "EPOCH_MISMATCH"},
		"missed":     errMissed,
	} {
		t.Run(reason, func(t *testing.T) {
			s := newScript(t, place{})
			s.snapshot(configAt("prod", "same", 1), configAt("prod", "old", 1), configAt("prod", "gone", 1),
				configAt("prod", "deleted", 1))
			s.expect("first, update deleted 1, update gone 1, update old 1, update same 1 @1", s.snapshotEnd(1))
			s.expect("delete deleted 0 @2", s.events(2, 1, gone("deleted", 2)))
			s.lost(err)
			if request := s.request(); !request.IncludeSnapshot || request.ResumeAfter != nil {
				t.Fatal(request)
			}
			s.snapshot(configAt("prod", "same", 1), configAt("prod", "old", 5), configAt("prod", "new", 6))
			s.expect("synthetic, update new 6, update old 5, delete gone 0 @9", s.snapshotEnd(9))
			s.expect("update new 10 @10", s.events(10, 9, set("new", 10)))
		})
	}
}

func TestANewSnapshotWithoutADifferenceIsNotTold(t *testing.T) {
	s := newScript(t, place{})
	s.snapshot(configAt("prod", "a", 1))
	s.expect("first, update a 1 @1", s.snapshotEnd(1))
	s.lost(errMissed)
	s.request()
	s.snapshot(configAt("prod", "a", 1))
	s.expect("", s.snapshotEnd(1))
}

func TestOfAnotherLogOnlyValuesAreCompared(t *testing.T) {
	s := newScript(t, place{})
	s.snapshot(configAt("prod", "same", 1), configAt("prod", "other", 2))
	s.expect("first, update other 2, update same 1 @2", s.snapshotEnd(2))
	s.lost(&Error{Code: codes.FailedPrecondition, Reason: "EPOCH_MISMATCH"})
	s.request()
	same := configAt("prod", "same", 7)
	same.ConfigData = []byte(`{"n":1}`)
	s.snapshot(same, configAt("prod", "other", 8))
	s.log.epoch = "fedcba9876543210"
	s.expect("synthetic, update other 8 @8", s.snapshotEnd(8))
	s.lost(errMissed)
	s.request()
	s.snapshot(same, configAt("prod", "other", 8))
	s.expect("", s.snapshotEnd(8))
	// In the same log, another version of the same value is another one.
	s.lost(errMissed)
	s.request()
	same = configAt("prod", "same", 9)
	same.ConfigData = []byte(`{"n":1}`)
	s.snapshot(same, configAt("prod", "other", 8))
	s.expect("synthetic, update same 9 @9", s.snapshotEnd(9))
}

func TestAResponseThatIsMissingIsNoticed(t *testing.T) {
	s := newScript(t, place{})
	s.expect("first @1", s.snapshotEnd(1))
	s.expect("MESSAGE_MISSED", s.events(4, 3, set("a", 4)))
}

func TestWhatIsUnknownIsPassedOver(t *testing.T) {
	s := newScript(t, place{})
	s.expect("first @1", s.snapshotEnd(1))
	s.expect("", &pb.WatchResponse{Kind: 99, Header: s.log.position(2), PreviousRevision: 1})
	event := set("a", 3)
	event.Kind = 77
	s.expect("77 a 3 @3", s.events(3, 1, event))
}

func TestAWatchThatResumesBeginsWithoutAState(t *testing.T) {
	s := newScript(t, place{position: &pb.Position{Token: "x"}})
	if request := s.request(); request.IncludeSnapshot || request.ResumeAfter.Token != "x" {
		t.Fatal(request)
	}
	s.expect("update a 5 @5", s.events(5, 0, set("a", 5)))
	s.lost(&Error{Code: codes.OutOfRange})
	s.request()
	s.snapshot(configAt("prod", "a", 5))
	s.expect("first, update a 5 @9", s.snapshotEnd(9))
}

func TestAVersionThatWasNotTheHeadIsNoDelete(t *testing.T) {
	s := newScript(t, place{})
	s.snapshot(configAt("prod", "a", 5))
	s.expect("first, update a 5 @5", s.snapshotEnd(5))
	s.expect("erase a 5 @6", s.events(6, 5, &pb.Event{Kind: pb.ChangeKind_CHANGE_KIND_ERASE, Environment: "prod",
		ServiceName: "a", Version: 3, HeadVersion: 5, Revision: 6}))
	s.lost(errMissed)
	s.request()
	s.snapshot(configAt("prod", "a", 5))
	s.expect("", s.snapshotEnd(6))
}

func TestOtherRightsNeedANewSnapshot(t *testing.T) {
	s := newScript(t, place{})
	s.snapshot(configAt("prod", "a", 1), configAt("prod", "hidden", 1))
	s.expect("first, update a 1, update hidden 1 @1", s.snapshotEnd(1))
	progress := &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_PROGRESS,
		Header: s.log.position(1), PreviousRevision: 1, Filtered: true}
	s.expect("RIGHTS_CHANGED", progress)
	s.lost(errRights)
	if request := s.request(); !request.IncludeSnapshot {
		t.Fatal(request)
	}
	part := s.snapshotEnd(1)
	part.Filtered, part.Configs = true, nil
	_, _ = s.feed(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT, Filtered: true,
		Header: &pb.Position{Epoch: epoch}, Configs: []*pb.Config{configAt("prod", "a", 1)}})
	s.expect("synthetic, delete hidden 0 @1", part)
	// A stream that resumes with the rights that the copy was made with goes on.
	s.lost(&Error{Code: codes.Unavailable})
	s.request()
	progress.PreviousRevision = 0
	s.expect("", progress)
	// They may also have changed while no stream was open.
	s.lost(&Error{Code: codes.Unavailable})
	s.request()
	progress.Filtered = false
	s.expect("RIGHTS_CHANGED", progress)
}

func TestErrorsAreTold(t *testing.T) {
	err := asError(failure(codes.Aborted, "VERSION_MISMATCH"))
	var e *Error
	if !errors.As(err, &e) || e.Reason != "VERSION_MISMATCH" || e.Details["current_version"] != "7" ||
		!errors.Is(err, ErrConflict) || errors.Is(err, ErrExists) ||
		!errors.Is(err, &Error{Code: codes.Aborted, Reason: "VERSION_MISMATCH"}) ||
		errors.Is(err, &Error{Code: codes.Aborted, Reason: "REVISION_MISMATCH"}) {
		t.Error(err)
	}
	if err.Error() != "confreg: VERSION_MISMATCH: the server says so" {
		t.Error(err)
	}
}

func TestAServerThatTakesAwayEveryPositionIsNotOverrun(t *testing.T) {
	s := newScript(t, place{})
	s.expect("first @1", s.snapshotEnd(1))
	for _, atOnce := range []bool{true, false, true} {
		if s.lost(&Error{Code: codes.OutOfRange, Reason: "COMPACTED"}) != atOnce {
			t.Fatalf("the next stream is opened at once: %t", !atOnce)
		}
		if !s.request().IncludeSnapshot {
			t.Fatal("it resumes at a position that is lost")
		}
		s.expect("", s.snapshotEnd(1))
	}
}

func TestAResponseThatMakesNoSenseIsAnError(t *testing.T) {
	loads := func(response *pb.WatchResponse) {
		t.Helper()
		s := newScript(t, place{})
		s.expect("RESPONSE_MALFORMED", response)
		if s.place.position != nil {
			t.Error("a position without a state")
		}
	}
	s := newScript(t, place{})
	loads(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT_END})
	loads(s.events(1, 0, set("a", 1)))
	follows := func(response *pb.WatchResponse) {
		t.Helper()
		s := newScript(t, place{position: s.log.position(1)})
		s.expect("RESPONSE_MALFORMED", response)
	}
	follows(s.snapshotEnd(2))
	follows(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT, Header: s.log.position(2)})
	follows(&pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_EVENTS, Events: []*pb.Event{set("a", 2)}})
}

// What a server says of its position counts only once it has sent the snapshot.
func TestAPositionWithinASnapshotDoesNotCount(t *testing.T) {
	s := newScript(t, place{})
	s.expect("", &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_PROGRESS, Header: s.log.position(7)})
	if !s.request().IncludeSnapshot {
		t.Error("it resumes without a state")
	}
}

func TestAnUnknownResponseMovesThePosition(t *testing.T) {
	s := newScript(t, place{})
	s.expect("first @1", s.snapshotEnd(1))
	s.expect("", &pb.WatchResponse{Kind: 99, Header: s.log.position(5), PreviousRevision: 1,
		Configs: []*pb.Config{{ConfigData: []byte("{")}}})
	if request := s.request(); request.ResumeAfter.GetRevision() != 5 {
		t.Error(request)
	}
}

func TestASnapshotWithoutAnEndIsRefused(t *testing.T) {
	s := newScript(t, place{})
	s.most = 1000 + 3*itemBytes
	s.request()
	for range 3 {
		s.snapshot(configAt("prod", strings.Repeat("x", 200), 1))
	}
	part := &pb.WatchResponse{Kind: pb.WatchResponseKind_WATCH_RESPONSE_KIND_SNAPSHOT,
		Header: &pb.Position{Epoch: epoch}, Configs: []*pb.Config{configAt("prod", strings.Repeat("y", 200), 1)}}
	_, err := s.feed(part)
	for range 10 {
		if err == nil {
			_, err = s.feed(part)
		}
	}
	var e *Error
	if !errors.As(err, &e) || e.Code != codes.ResourceExhausted || e.Reason != "WATCH_TOO_LARGE" ||
		!strings.Contains(e.Message, "Options.MaxWatchBytes") {
		t.Error(err)
	}
}

func TestACommitWithoutAnEndIsRefused(t *testing.T) {
	s := newScript(t, place{})
	s.most = 1000
	s.request()
	s.expect("first @1", s.snapshotEnd(1))
	revision := uint64(1)
	for range 20 { // what is complete does not count
		s.expect(fmt.Sprintf("update a %d @%d", revision+1, revision+1), s.events(int(revision)+1, revision, set("a", revision+1)))
		revision++
	}
	var err error
	for range 20 {
		if err == nil {
			part := s.events(int(revision), revision, set("b", revision+1))
			part.PreviousRevision, part.More = s.delivered, true
			_, err = s.feed(part)
		}
	}
	if !errors.Is(err, tooLarge(0)) {
		t.Error(err)
	}
}

func TestChangesThatSayNothingCount(t *testing.T) {
	s := newScript(t, place{})
	s.request()
	s.expect("first @1", s.snapshotEnd(1))
	part := s.events(1, 1)
	part.More = true
	for range 1 + s.most/itemBytes {
		part.Events = append(part.Events, &pb.Event{Revision: 1})
	}
	if _, err := s.feed(part); !errors.Is(err, tooLarge(0)) {
		t.Error(err)
	}
}
