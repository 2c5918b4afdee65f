package confreg

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	pb "confreg.io/confreg/confregv1"
)

// Name of a config.
type Name struct {
	// Environment; empty means "default".
	Environment string
	Service     string
}

// String returns ENVIRONMENT/SERVICE.
func (n Name) String() string {
	return n.orDefault().Environment + "/" + n.Service
}

// orDefault returns the name as the server gives it.
func (n Name) orDefault() Name {
	if n.Environment == "" {
		n.Environment = "default"
	}
	return n
}

// Position is a place in the registry's log.
type Position struct {
	// Epoch identifies the log; it changes when a backup is restored.
	Epoch string
	// Revision is the number of the newest commit that is included.
	Revision uint64
	// Token is the whole position as text, enough to resume a watch.
	Token string
}

func positionOf(message *pb.Position) Position {
	return Position{message.GetEpoch(), message.GetRevision(), message.GetToken()}
}

// Kind says how a version came to be, or what a change did.
type Kind string

// The kinds. A newer server may know others.
const (
	KindCreate   Kind = "create"
	KindUpdate   Kind = "update"
	KindRollback Kind = "rollback"
	KindDelete   Kind = "delete"
	KindErase    Kind = "erase"
	KindImport   Kind = "import"
	KindUndelete Kind = "undelete"
)

func kindOf(kind pb.ChangeKind) Kind {
	return Kind(strings.ToLower(strings.TrimPrefix(kind.String(), "CHANGE_KIND_")))
}

// Payload says where the value of a version is.
type Payload string

// What has become of a payload.
const (
	// PayloadPresent: it is in Data.
	PayloadPresent Payload = ""
	// PayloadErased: it was erased.
	PayloadErased Payload = "erased"
	// PayloadCompacted: a compaction has removed it.
	PayloadCompacted Payload = "compacted"
	// PayloadOmitted: it was not asked for, or was too large.
	PayloadOmitted Payload = "omitted"
)

func payloadOf(state pb.PayloadState) Payload {
	if state == pb.PayloadState_PAYLOAD_STATE_UNSPECIFIED {
		return PayloadPresent
	}
	return Payload(strings.ToLower(strings.TrimPrefix(state.String(), "PAYLOAD_STATE_")))
}

// Config is the head of a config, or one version of it. It is shared and not to be changed.
type Config struct {
	Name
	// Version counts from 1 on; 0: the config is deleted.
	Version uint64
	// Data is the value, a JSON object, byte for byte; nil where Payload is not PayloadPresent.
	Data    []byte
	Payload Payload
	Kind    Kind
	Created time.Time
	// Author is the one that the writer named; empty: none.
	Author  string
	Comment string
	// Revision is that of the commit that made this version.
	Revision uint64
	// ModRevision is that of the newest commit that changed the head: order copies by it.
	ModRevision uint64
	// SourceVersion is where a rollback or undelete has the value from; 0: it is none.
	SourceVersion uint64
}

// Decode parses the value into v, as json.Unmarshal does.
func (c *Config) Decode(v any) error {
	if c.Payload != PayloadPresent {
		return fmt.Errorf("confreg: the payload of %s is %s", c.Name, c.Payload)
	}
	return json.Unmarshal(c.Data, v)
}

// configOf returns nil for nil.
func configOf(message *pb.Config) *Config {
	if message == nil {
		return nil
	}
	config := &Config{
		Name:          Name{message.Environment, message.ServiceName},
		Version:       message.Version,
		Payload:       payloadOf(message.PayloadState),
		Kind:          kindOf(message.Kind),
		Created:       message.CreateTime.AsTime(),
		Author:        message.CreatedBy,
		Comment:       message.Comment,
		Revision:      message.Revision,
		ModRevision:   message.ModRevision,
		SourceVersion: message.SourceVersion,
	}
	if config.Payload == PayloadPresent && config.Version > 0 {
		config.Data = message.ConfigData
	}
	return config
}

// Change is one change of one config.
type Change struct {
	Name
	Kind Kind
	// Version is the one that was added; of a delete, the one that was asked for, 0 for the whole
	// config.
	Version uint64
	// Config is the head after the change. Nil: the config was deleted, or, with HeadVersion set, a
	// version was erased that was not the head.
	Config *Config
	// HeadVersion is that of the head after the change; 0: there is none.
	HeadVersion uint64
	// Revision is that of the commit.
	Revision uint64
	// Time of the commit; zero in a synthetic change.
	Time    time.Time
	Author  string
	Comment string
}

// Deleted says whether the config does not exist any more.
func (c *Change) Deleted() bool {
	return c.HeadVersion == 0
}

// TouchesHead says whether the config's value may be another one now.
func (c *Change) TouchesHead() bool {
	return c.Config != nil || c.Deleted()
}

func changeOf(event *pb.Event) Change {
	return Change{
		Name:        Name{event.Environment, event.ServiceName},
		Kind:        kindOf(event.Kind),
		Version:     event.Version,
		Config:      configOf(event.Config),
		HeadVersion: event.HeadVersion,
		Revision:    event.Revision,
		Time:        event.CommitTime.AsTime(),
		Author:      event.CreatedBy,
		Comment:     event.Comment,
	}
}
