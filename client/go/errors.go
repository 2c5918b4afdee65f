package confreg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is what a failed call returns; errors.As finds it.
//
// errors.Is compares by Code, and by Reason where the target has one: errors.Is(err,
// confreg.ErrConflict). Codes of an ended context also are context.Canceled and
// context.DeadlineExceeded.
type Error struct {
	Code codes.Code
	// Reason is the server's stable reason, such as "VERSION_MISMATCH"; docs/protocol.md lists them.
	// Empty: the server gave none, or did not answer.
	Reason string
	// Field is the path of the member at fault, as of the request's proto. Empty: none.
	Field string
	// Message is for people.
	Message string
	// Details are numbers and names, such as current_version.
	Details map[string]string
	// Violations are all faults of a value that was refused.
	Violations []Violation
	// RetryAfter is how long the server asks to wait before the next call; 0: it does not.
	RetryAfter time.Duration

	status *status.Status
}

// Violation is one fault of a value.
type Violation struct {
	Field, Description string
}

// Errors to compare with by errors.Is.
var (
	// ErrNotFound: there is no such config or version.
	ErrNotFound error = &Error{Code: codes.NotFound}
	// ErrExists: the config that was to be created exists.
	ErrExists error = &Error{Code: codes.AlreadyExists}
	// ErrConflict: a condition of a write does not hold; somebody else was first.
	ErrConflict error = &Error{Code: codes.Aborted}
	// ErrInvalid: the request is refused; Field names the member.
	ErrInvalid error = &Error{Code: codes.InvalidArgument}
	// ErrNotAllowed: the caller may not do this.
	ErrNotAllowed error = &Error{Code: codes.PermissionDenied}
	// ErrUnavailable: the registry was away until the end of the time.
	ErrUnavailable error = &Error{Code: codes.Unavailable}
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("confreg: the client was closed")
)

var errMissed error = &Error{Code: codes.DataLoss, Reason: "MESSAGE_MISSED",
	Message: "a response of the stream is missing"}

// Error has the reason, or else the code, and the message.
func (e *Error) Error() string {
	kind := e.Reason
	if kind == "" {
		kind = e.Code.String()
	}
	if e.Message == "" {
		return "confreg: " + kind
	}
	return fmt.Sprintf("confreg: %s: %s", kind, e.Message)
}

// Is makes errors.Is compare by code and reason.
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.Code == codes.Canceled
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	}
	other, ok := target.(*Error)
	return ok && other.Code == e.Code && (other.Reason == "" || other.Reason == e.Reason)
}

// GRPCStatus makes status.FromError and status.Code work.
func (e *Error) GRPCStatus() *status.Status {
	if e.status == nil {
		return status.New(e.Code, e.Message)
	}
	return e.status
}

// mostRetryAfter is the longest wait that is believed: the sum with a random one fits into a Duration.
const mostRetryAfter = 24 * time.Hour

// asError returns the *Error of what gRPC returned, with what is in its details.
func asError(err error) error {
	var known *Error
	if errors.As(err, &known) || errors.Is(err, ErrClosed) {
		return err
	}
	found := status.Convert(err)
	e := &Error{Code: found.Code(), Message: found.Message(), status: found}
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.Details = detail.Reason, maps.Clone(detail.Metadata)
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				e.Violations = append(e.Violations, Violation{violation.Field, violation.Description})
			}
		case *errdetails.RetryInfo:
			if after := detail.RetryDelay.AsDuration(); after > 0 && after <= mostRetryAfter {
				e.RetryAfter = after
			}
		}
	}
	if len(e.Violations) > 0 {
		e.Field = e.Violations[0].Field
	}
	return e
}

// codeOf returns the code and the wait that the server asks for.
func codeOf(err error) (codes.Code, time.Duration) {
	var e *Error
	if errors.As(err, &e) {
		return e.Code, e.RetryAfter
	}
	return codes.Unknown, 0
}
