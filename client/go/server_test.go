package confreg_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"confreg.io/confreg"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Tests and examples in this package drive real servers: confregd of CONFREG_BUILD, else of ../../build.

const patience = 60 * time.Second

// address is that of the server that the examples use.
var address string

func TestMain(m *testing.M) {
	code := func() int {
		folder, err := os.MkdirTemp("", "confreg")
		if err != nil {
			log.Fatal(err)
		}
		defer os.RemoveAll(folder)
		server := newServer(folder)
		if err := server.start(); err != nil {
			log.Fatal(err)
		}
		defer server.end(syscall.SIGTERM)
		address = server.address
		return m.Run()
	}()
	os.Exit(code)
}

// server is a confregd with a folder of its own.
type server struct {
	program, address, store string
	more                    []string
	secured                 bool // by TLS: its health cannot be asked here
	process                 *exec.Cmd
	log                     string
}

func newServer(folder string, more ...string) *server {
	build := os.Getenv("CONFREG_BUILD")
	if build == "" {
		build = "../../build"
	}
	program, _ := filepath.Abs(filepath.Join(build, "confregd"))
	return &server{program: program, address: freeAddress(), more: more,
		store: "sqlite:" + filepath.Join(folder, "confreg.db"), log: filepath.Join(folder, "confregd.log")}
}

// freeAddress is below the range that the kernel uses for outgoing connections.
func freeAddress() string {
	for {
		address := fmt.Sprintf("127.0.0.1:%d", 12000+mathrand.IntN(20000))
		if listener, err := net.Listen("tcp", address); err == nil {
			_ = listener.Close()
			return address
		}
	}
}

// start returns when the server is serving.
func (s *server) start() error {
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	s.process = exec.Command(s.program, append([]string{"--listen", s.address, "--store", s.store}, s.more...)...)
	s.process.Stdout, s.process.Stderr = out, out
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("build confregd first (scripts/test does): %w", err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if s.serves() {
			return nil
		}
	}
	return fmt.Errorf("confregd does not serve: see %s", s.log)
}

func (s *server) serves() bool {
	if s.secured {
		connection, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	}
	connection, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return false
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err == nil && answer.Status == grpc_health_v1.HealthCheckResponse_SERVING
}

func (s *server) signal(signal syscall.Signal) {
	_ = s.process.Process.Signal(signal)
}

// end waits for the end.
func (s *server) end(signal syscall.Signal) {
	s.signal(signal)
	_ = s.process.Wait()
}

// startServer starts one for a test.
func startServer(t *testing.T, more ...string) *server {
	t.Helper()
	s := newServer(t.TempDir(), more...)
	s.mustStart(t)
	t.Cleanup(func() { s.end(syscall.SIGKILL) })
	return s
}

func (s *server) mustStart(t *testing.T) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *server) client(t *testing.T) *confreg.Client {
	t.Helper()
	return newClient(t, confreg.Options{Addresses: []string{s.address}})
}

func newClient(t *testing.T, options confreg.Options) *confreg.Client {
	t.Helper()
	options.Timeout = patience
	client, err := confreg.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// certify writes a certificate of 127.0.0.1 that signs itself, and its key.
func certify(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject: pkix.Name{CommonName: "confregd"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
