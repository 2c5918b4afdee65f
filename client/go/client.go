package confreg

import (
	"context"
	"log/slog"
	"time"

	pb "confreg.io/confreg/confregv1"
)

// Client makes the calls of the registry. A call is repeated while the registry is away, until its
// context ends, or, if that has no deadline, for [Options].Timeout. That is safe for writes, too: each
// has a request id, and the registry answers a repeat of it like the first.
type Client struct {
	conn      *conn
	service   pb.RegistryServiceClient
	author    string
	log       *slog.Logger
	silence   time.Duration // a stream that says nothing for so long is opened again
	mostBytes int           // that a stream may hold of what is not complete
	sharing   *sharing
}

// New returns a client; the first call connects. It fails where an option is wrong or a file of it
// cannot be read.
func New(options Options) (*Client, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	conn := newConn(&options)
	client := &Client{conn: conn, service: pb.NewRegistryServiceClient(conn), author: options.Author,
		log: options.Logger, silence: 3 * progressInterval, mostBytes: options.MaxWatchBytes}
	client.sharing = newSharing(client)
	return client, nil
}

// Close ends all calls and watches with ErrClosed. It does not wait for them.
func (c *Client) Close() error {
	c.sharing.close()
	c.conn.close()
	return nil
}

// Service returns the generated stubs on the client's connection, for every call and member that has no
// method here. Unary calls are repeated like the client's own, and errors are an *Error, too. Streams are
// not resumed: use Watch.
func (c *Client) Service() pb.RegistryServiceClient {
	return c.service
}

// GetOptions say which version of a config is wanted.
type GetOptions struct {
	// Version; 0: the head.
	Version uint64
	// Resolve merges the config over that of the environment "default".
	Resolve bool
	// IncludeDeleted also finds versions of deleted configs.
	IncludeDeleted bool
	// After asks for a state that is at least as new, such as the Position of a Result.
	After Position
	// Linearizable includes every write that was acknowledged before the call, on whatever node.
	Linearizable bool
}

// Get returns the config. ErrNotFound: it does not exist.
func (c *Client) Get(ctx context.Context, name Name, options GetOptions) (*Config, error) {
	config, _, err := c.get(ctx, name, options)
	return config, err
}

// get also returns the position that the answer is as of.
func (c *Client) get(ctx context.Context, name Name, options GetOptions) (*Config, Position, error) {
	request := &pb.GetConfigRequest{
		Environment: name.Environment, ServiceName: name.Service, Version: options.Version,
		Resolve: options.Resolve, IncludeDeleted: options.IncludeDeleted,
		Read: &pb.ReadOptions{MinRevision: options.After.Revision, Epoch: options.After.Epoch},
	}
	if options.Linearizable {
		request.Read.Consistency = pb.Consistency_CONSISTENCY_LINEARIZABLE
	}
	response, err := c.service.GetConfig(ctx, request)
	if err != nil {
		return nil, Position{}, err
	}
	return configOf(response.Config), positionOf(response.Header), nil
}

// Result of a write.
type Result struct {
	// Config is the head afterwards; nil: there is none.
	Config *Config
	// Position of the write: a Get after it sees the write on every node.
	Position Position
	// Deleted is how many versions a Delete has deleted.
	Deleted uint64
}

// CreateOptions of a Create.
type CreateOptions struct {
	Comment string
	// Author; empty: that of the client's Options.
	Author string
	// RequestID; empty: one is made. A write with the same id and content, made by any client, happens once.
	RequestID string
	// ValidateOnly checks the write and answers as if it was made.
	ValidateOnly bool
	// AllowSecrets writes what looks like a secret. It needs a right of its own.
	AllowSecrets bool
}

// resultOf is the end of a write that answers with a config.
func resultOf(response interface {
	GetConfig() *pb.Config
	GetHeader() *pb.Position
}, err error) (*Result, error) {
	if err != nil {
		return nil, err
	}
	return &Result{Config: configOf(response.GetConfig()), Position: positionOf(response.GetHeader())}, nil
}

// Create makes a config of a JSON object. ErrExists: there is one.
func (c *Client) Create(ctx context.Context, name Name, data []byte, options CreateOptions) (*Result, error) {
	return resultOf(c.service.CreateConfig(ctx, &pb.CreateConfigRequest{
		Environment: name.Environment, ServiceName: name.Service, ConfigData: data,
		Comment: options.Comment, CreatedBy: c.authorOr(options.Author), RequestId: options.RequestID,
		ValidateOnly: options.ValidateOnly, AllowSecrets: options.AllowSecrets, IncludeLarge: true,
	}))
}

// UpdateOptions of an Update and a Patch.
type UpdateOptions struct {
	// ExpectedVersion is that of the head which the write is based on; ErrConflict: it is another one.
	// 0: any.
	ExpectedVersion uint64
	// ExpectedRevision is the same by the head's ModRevision, and Epoch. Its token does not count.
	ExpectedRevision Position
	// AllowMissing creates the config if there is none.
	AllowMissing bool
	// AllowSecrets is as in CreateOptions.
	AllowSecrets bool
	// The others are as in CreateOptions.
	Comment, Author, RequestID string
	ValidateOnly               bool
}

// Update replaces the config's value by a JSON object. ErrNotFound: there is no config.
func (c *Client) Update(ctx context.Context, name Name, data []byte, options UpdateOptions) (*Result, error) {
	request := c.updateRequest(name, options)
	request.Content = &pb.UpdateConfigRequest_ConfigData{ConfigData: data}
	return c.update(ctx, request)
}

// Patch is what changes a config's value: of MergePatch or JSONPatch.
type Patch struct {
	set func(*pb.UpdateConfigRequest)
}

// MergePatch is an RFC 7396 patch: members replace members, null removes one.
func MergePatch(patch []byte) Patch {
	return Patch{func(request *pb.UpdateConfigRequest) {
		request.Content = &pb.UpdateConfigRequest_MergePatch{MergePatch: patch}
	}}
}

// JSONPatch is an RFC 6902 patch, a list of operations. ErrConflict: a test in it has failed.
func JSONPatch(patch []byte) Patch {
	return Patch{func(request *pb.UpdateConfigRequest) {
		request.Content = &pb.UpdateConfigRequest_JsonPatch{JsonPatch: patch}
	}}
}

// Patch changes a part of the config's value, on the server. ErrNotFound: there is no config.
func (c *Client) Patch(ctx context.Context, name Name, patch Patch, options UpdateOptions) (*Result, error) {
	request := c.updateRequest(name, options)
	if patch.set != nil {
		patch.set(request)
	}
	return c.update(ctx, request)
}

func (c *Client) updateRequest(name Name, options UpdateOptions) *pb.UpdateConfigRequest {
	return &pb.UpdateConfigRequest{
		Environment: name.Environment, ServiceName: name.Service,
		ExpectedVersion:  options.ExpectedVersion,
		ExpectedRevision: options.ExpectedRevision.Revision,
		ExpectedEpoch:    options.ExpectedRevision.Epoch,
		AllowMissing:     options.AllowMissing, AllowSecrets: options.AllowSecrets, Comment: options.Comment,
		CreatedBy: c.authorOr(options.Author), RequestId: options.RequestID,
		ValidateOnly: options.ValidateOnly, IncludeLarge: true,
	}
}

func (c *Client) update(ctx context.Context, request *pb.UpdateConfigRequest) (*Result, error) {
	return resultOf(c.service.UpdateConfig(ctx, request))
}

// DeleteOptions of a Delete.
type DeleteOptions struct {
	// Version to erase, for good; 0: the whole config is deleted, and can be brought back.
	Version uint64
	// Erase removes the values of the whole config for good.
	Erase bool
	// AllowMissing makes it no error that there is nothing to delete.
	AllowMissing bool
	// ExpectedVersion and ExpectedRevision are as in UpdateOptions.
	ExpectedVersion  uint64
	ExpectedRevision Position
	// The others are as in CreateOptions.
	Comment, Author, RequestID string
	ValidateOnly               bool
}

// Delete deletes the config, or erases one version of it. ErrNotFound: it does not exist.
func (c *Client) Delete(ctx context.Context, name Name, options DeleteOptions) (*Result, error) {
	response, err := c.service.DeleteConfig(ctx, &pb.DeleteConfigRequest{
		Environment: name.Environment, ServiceName: name.Service, Version: options.Version,
		Erase: options.Erase, AllowMissing: options.AllowMissing,
		ExpectedVersion:  options.ExpectedVersion,
		ExpectedRevision: options.ExpectedRevision.Revision,
		ExpectedEpoch:    options.ExpectedRevision.Epoch,
		Comment:          options.Comment, CreatedBy: c.authorOr(options.Author),
		RequestId: options.RequestID, ValidateOnly: options.ValidateOnly, IncludeLarge: true,
	})
	if err != nil {
		return nil, err
	}
	return &Result{configOf(response.Config), positionOf(response.Header), response.DeletedCount}, nil
}

// RollbackOptions of a Rollback.
type RollbackOptions struct {
	// Version to go back to; 0: the one before the head.
	Version uint64
	// ExpectedVersion and ExpectedRevision are as in UpdateOptions.
	ExpectedVersion  uint64
	ExpectedRevision Position
	// The others are as in CreateOptions.
	Comment, Author, RequestID string
	ValidateOnly               bool
	// AllowSecrets is as in CreateOptions.
	AllowSecrets bool
}

// Rollback adds a version with the value of an older one.
func (c *Client) Rollback(ctx context.Context, name Name, options RollbackOptions) (*Result, error) {
	return resultOf(c.service.RollbackConfig(ctx, &pb.RollbackConfigRequest{
		Environment: name.Environment, ServiceName: name.Service, Version: options.Version,
		ExpectedVersion:  options.ExpectedVersion,
		ExpectedRevision: options.ExpectedRevision.Revision,
		ExpectedEpoch:    options.ExpectedRevision.Epoch,
		Comment:          options.Comment, CreatedBy: c.authorOr(options.Author),
		RequestId: options.RequestID, ValidateOnly: options.ValidateOnly, AllowSecrets: options.AllowSecrets, IncludeLarge: true,
	}))
}

// UndeleteOptions of an Undelete.
type UndeleteOptions struct {
	// Version to take the value from; 0: the last one.
	Version uint64
	// ExpectedRevision is that of the delete.
	ExpectedRevision Position
	// The others are as in CreateOptions.
	Comment, Author, RequestID string
	ValidateOnly               bool
	// AllowSecrets is as in CreateOptions.
	AllowSecrets bool
}

// Undelete brings a deleted config back, with the history that it had. ErrExists: it is not deleted.
func (c *Client) Undelete(ctx context.Context, name Name, options UndeleteOptions) (*Result, error) {
	return resultOf(c.service.UndeleteConfig(ctx, &pb.UndeleteConfigRequest{
		Environment: name.Environment, ServiceName: name.Service, Version: options.Version,
		ExpectedRevision: options.ExpectedRevision.Revision,
		ExpectedEpoch:    options.ExpectedRevision.Epoch,
		Comment:          options.Comment, CreatedBy: c.authorOr(options.Author),
		RequestId: options.RequestID, ValidateOnly: options.ValidateOnly, AllowSecrets: options.AllowSecrets, IncludeLarge: true,
	}))
}

func (c *Client) authorOr(named string) string {
	if named == "" {
		return c.author
	}
	return named
}
