package confreg

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
)

// Options say where the registry is and who the caller is. Only Addresses has to be set.
type Options struct {
	// Addresses of equal servers: "HOST:PORT" or "unix:PATH". A random one is used first, and the next
	// one when it is away.
	Addresses []string
	// TLS secures the connections. Nil: they are in the clear.
	TLS *TLS
	// TokenFile has a bearer token. It is read for each call, so it may be replaced at any time.
	TokenFile string
	// TokenInClear allows to send the token without TLS to another machine. Without it [New] refuses,
	// as everybody on the way could read it.
	TokenInClear bool
	// Author is the created_by of writes that name none.
	Author string
	// Timeout bounds a call, with its repeats, whose context has no deadline. 0: 10 s.
	Timeout time.Duration
	// MaxWatchBytes bounds what a watch holds of a snapshot, or of a commit in several parts, that is not
	// complete: a server that is broken may send either without an end. Beyond it the watch is interrupted
	// by a RESOURCE_EXHAUSTED WATCH_TOO_LARGE, and tries again. Each config and change counts with its
	// message and 512 bytes. 0: 256 MiB.
	MaxWatchBytes int
	// Logger hears of interruptions and of files that cannot be used. Nil: nobody does.
	Logger *slog.Logger
	// DialOptions are added to those of each gRPC connection, such as a stats handler.
	DialOptions []grpc.DialOption
}

// TLS names files in PEM form. They are read for each new connection, so they may be replaced at any
// time.
type TLS struct {
	// CAFile has the authorities that may have signed the server's certificate. Empty: the system's.
	CAFile string
	// CertFile and KeyFile are the client's own certificate. Empty: it has none.
	CertFile, KeyFile string
	// ServerName is the name in the server's certificate where the address has another one.
	ServerName string
}

const (
	defaultTimeout       = 10 * time.Second
	defaultMaxWatchBytes = 256 << 20
)

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	if len(o.Addresses) == 0 {
		return errors.New("confreg: no address is given")
	}
	for _, address := range o.Addresses {
		if err := checkAddress(address); err != nil {
			return err
		}
		if o.TokenFile != "" && o.TLS == nil && !o.TokenInClear && !isLocal(address) {
			return fmt.Errorf("confreg: without TLS the token would cross the network to %s in the clear; "+
				"set TLS, or TokenInClear", address)
		}
	}
	if o.TLS != nil {
		if _, err := o.TLS.config(); err != nil {
			return fmt.Errorf("confreg: %w", err)
		}
	}
	if _, err := readToken(o.TokenFile); err != nil {
		return fmt.Errorf("confreg: %w", err)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxWatchBytes <= 0 {
		o.MaxWatchBytes = defaultMaxWatchBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func checkAddress(address string) error {
	if path, ok := strings.CutPrefix(address, "unix:"); ok && path != "" {
		return nil
	}
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
		return fmt.Errorf("confreg: %q is no address: HOST:PORT or unix:PATH", address)
	}
	return nil
}

// isLocal says whether what is sent there stays on this machine.
func isLocal(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readToken returns the token in the file; empty: no file is named.
func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("%s has no token", path)
	}
	return token, nil
}
