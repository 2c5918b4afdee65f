package confreg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"confreg.io/confreg"
	"confreg.io/confreg/confregv1"
)

var billing = confreg.Name{Environment: "prod", Service: "billing"}

func TestEveryWrite(t *testing.T) {
	server := startServer(t, "--secrets", "refuse")
	client := newClient(t, confreg.Options{Addresses: []string{server.address}, Author: "ada"})
	ctx := t.Context()
	expect := func(what string, result *confreg.Result, err error, version uint64, data string) *confreg.Result {
		t.Helper()
		if err != nil || result.Config == nil || result.Config.Version != version || string(result.Config.Data) != data {
			t.Fatal(what, result, err)
		}
		return result
	}
	fails := func(what string, err error, is error, reason string) {
		t.Helper()
		var e *confreg.Error
		if !errors.Is(err, is) || !errors.As(err, &e) || e.Reason != reason {
			t.Fatal(what, err)
		}
	}

	made, err := client.Create(ctx, billing, []byte(`{"pool": 10}`), confreg.CreateOptions{Comment: "first"})
	expect("create", made, err, 1, `{"pool":10}`)
	if c := made.Config; c.Author != "ada" || c.Comment != "first" || c.Kind != confreg.KindCreate || c.Name != billing ||
		time.Since(c.Created) > time.Hour {
		t.Error(c)
	}
	_, err = client.Create(ctx, billing, []byte(`{}`), confreg.CreateOptions{})
	fails("it exists", err, confreg.ErrExists, "CONFIG_EXISTS")

	_, err = client.Update(ctx, billing, []byte(`{"pool": 20}`), confreg.UpdateOptions{ExpectedVersion: 7})
	fails("another version", err, confreg.ErrConflict, "VERSION_MISMATCH")
	result, err := client.Update(ctx, billing, []byte(`{"pool": 20}`), confreg.UpdateOptions{ExpectedVersion: 1})
	expect("on condition", result, err, 2, `{"pool":20}`)
	_, err = client.Update(ctx, billing, []byte(`{}`), confreg.UpdateOptions{ExpectedRevision: made.Position})
	fails("another revision", err, confreg.ErrConflict, "REVISION_MISMATCH")
	result, err = client.Update(ctx, billing, []byte(`{}`), confreg.UpdateOptions{ValidateOnly: true})
	expect("only looked at", result, err, 3, `{}`)
	_, err = client.Update(ctx, billing, []byte(`[]`), confreg.UpdateOptions{})
	fails("no object", err, confreg.ErrInvalid, "JSON_NOT_OBJECT")

	result, err = client.Patch(ctx, billing, confreg.MergePatch([]byte(`{"host": "db-1"}`)), confreg.UpdateOptions{})
	expect("merge patch", result, err, 3, `{"pool":20,"host":"db-1"}`)
	result, err = client.Patch(ctx, billing, confreg.JSONPatch([]byte(`[{"op": "remove", "path": "/host"}]`)),
		confreg.UpdateOptions{Author: "bob"})
	if expect("JSON patch", result, err, 4, `{"pool":20}`).Config.Author != "bob" {
		t.Error(result.Config)
	}
	_, err = client.Patch(ctx, billing, confreg.JSONPatch([]byte(`[{"op": "test", "path": "/pool", "value": 1}]`)),
		confreg.UpdateOptions{})
	fails("a test", err, confreg.ErrConflict, "PATCH_TEST_FAILED")

	id := confreg.RollbackOptions{Version: 1, RequestID: "once"}
	result, err = client.Rollback(ctx, billing, id)
	expect("rollback", result, err, 5, `{"pool":10}`)
	result, err = client.Rollback(ctx, billing, id)
	if expect("the same once more", result, err, 5, `{"pool":10}`).Config.SourceVersion != 1 {
		t.Error(result.Config)
	}

	result, err = client.Delete(ctx, billing, confreg.DeleteOptions{ExpectedVersion: 5})
	if err != nil || result.Config != nil || result.Deleted != 5 {
		t.Fatal("delete", result, err)
	}
	deleted := result.Position
	_, err = client.Get(ctx, billing, confreg.GetOptions{After: deleted})
	fails("it is gone", err, confreg.ErrNotFound, "CONFIG_NOT_FOUND")
	_, err = client.Update(ctx, billing, []byte(`{}`), confreg.UpdateOptions{})
	fails("nothing to update", err, confreg.ErrNotFound, "CONFIG_NOT_FOUND")
	if result, err = client.Delete(ctx, billing, confreg.DeleteOptions{AllowMissing: true}); err != nil || result.Deleted != 0 {
		t.Fatal(result, err)
	}
	result, err = client.Undelete(ctx, billing, confreg.UndeleteOptions{ExpectedRevision: deleted})
	expect("undelete", result, err, 6, `{"pool":10}`)

	secret := []byte(`{"uri": "postgres://ada:k7Jq-92xLmWv@db-1/billing"}`)
	_, err = client.Update(ctx, billing, secret, confreg.UpdateOptions{})
	fails("a secret", err, confreg.ErrInvalid, "SECRET_FOUND")
	if _, err = client.Update(ctx, billing, secret, confreg.UpdateOptions{AllowSecrets: true, ValidateOnly: true}); err != nil {
		t.Error("a secret that is allowed", err)
	}

	other := confreg.Name{Service: "other"}
	result, err = client.Update(ctx, other, []byte(`{"a": 1}`), confreg.UpdateOptions{AllowMissing: true})
	expect("upsert", result, err, 1, `{"a":1}`)

	old, err := client.Get(ctx, billing, confreg.GetOptions{Version: 2})
	var value struct{ Pool int }
	if err = errors.Join(err, old.Decode(&value)); err != nil || value.Pool != 20 {
		t.Error(old, err)
	}
	if head, err := client.Get(ctx, other, confreg.GetOptions{Linearizable: true}); err != nil ||
		head.Name.String() != "default/other" {
		t.Error(head, err)
	}
	status, err := client.Service().GetStatus(ctx, &confregv1.GetStatusRequest{})
	if err != nil || status.ConfigCount != 2 {
		t.Error(status, err)
	}
}

// put writes {"n": N}.
func put(t *testing.T, client *confreg.Client, name confreg.Name, n int) *confreg.Result {
	t.Helper()
	result, err := client.Update(t.Context(), name, fmt.Appendf(nil, `{"n":%d}`, n), confreg.UpdateOptions{AllowMissing: true})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// Killed and started again between any two writes: a watch has every version once and in order, the
// writes succeed by their repeats, and a provider is up to date.
func TestAServerThatIsKilled(t *testing.T) {
	server := startServer(t)
	client := server.client(t)
	put(t, client, billing, 1)
	provider := confreg.NewProvider(t.Context(), client, billing, confreg.ProviderOptions{})
	defer provider.Close()
	const last = 30
	next := uint64(1)
	for update, err := range client.Watch(t.Context(), confreg.WatchOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range update.Changes {
			if change.Version != next {
				t.Fatalf("version %d came, not %d", change.Version, next)
			}
			next++
		}
		if next > last {
			break
		}
		if next%10 == 0 {
			server.end(syscall.SIGKILL)
			restarted := make(chan error, 1)
			go func() { restarted <- server.start() }()
			put(t, client, billing, int(next)) // while it starts
			if err := <-restarted; err != nil {
				t.Fatal(err)
			}
		} else {
			put(t, client, billing, int(next))
		}
	}
	until(t, "the provider has the last", func() bool { return provider.Int("n", 0) == last })
	if provider.State() != confreg.Ready {
		t.Error(provider.State())
	}
}

// elsewhere runs the server at another address, then at its own again.
func elsewhere(t *testing.T, s *server, do func(*confreg.Client)) {
	own := s.address
	s.address = freeAddress()
	s.mustStart(t)
	do(s.client(t))
	s.end(syscall.SIGKILL)
	s.address = own
	s.mustStart(t)
}

// On a real server, over its being killed.
func TestAHundredWatchesAreOneStream(t *testing.T) {
	server := startServer(t)
	client, other := server.client(t), server.client(t)
	put(t, other, billing, 1)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var providers []*confreg.Provider
	for i := range 100 {
		name := billing
		if i%2 == 1 {
			name.Service = fmt.Sprintf("service-%d", i)
		}
		provider := confreg.NewProvider(t.Context(), client, name, confreg.ProviderOptions{})
		defer provider.Close()
		providers = append(providers, provider)
	}
	allHave := func(n int64) func() bool {
		return func() bool {
			return !slices.ContainsFunc(providers, func(p *confreg.Provider) bool {
				return p.State() != confreg.Ready || p.Int("n", n) != n
			})
		}
	}
	streams := func() uint64 {
		status, err := other.Service().GetStatus(t.Context(), &confregv1.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return status.WatchStreams
	}
	until(t, "all are ready", allHave(1))
	until(t, "one stream is left", func() bool { return streams() == 1 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d KiB of heap, %d KiB of stacks for a hundred", (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>10,
		(int64(after.StackInuse)-int64(before.StackInuse))>>10)
	server.end(syscall.SIGKILL)
	server.mustStart(t)
	put(t, other, billing, 2)
	until(t, "all have the change", allHave(2))
	until(t, "one stream is left", func() bool { return streams() == 1 })
}

// A watch that is interrupted finds another world afterwards.
func TestWhatCannotBeResumedIsCompared(t *testing.T) {
	lines := func(update *confreg.Update) string {
		var all []string
		for _, c := range update.Changes {
			all = append(all, fmt.Sprintf("%s %s", c.Kind, c.Service))
		}
		return fmt.Sprintf("%t %s", update.Synthetic, strings.Join(all, ", "))
	}
	name := func(service string) confreg.Name { return confreg.Name{Environment: "prod", Service: service} }
	change := func(t *testing.T, client *confreg.Client) {
		put(t, client, name("new"), 1)
		put(t, client, name("changed"), 2)
		put(t, client, name("changed"), 3)
	}
	for what, between := range map[string]func(*testing.T, *server){
		"compaction": func(t *testing.T, s *server) {
			elsewhere(t, s, func(client *confreg.Client) {
				change(t, client)
				if _, err := client.Delete(t.Context(), name("gone"), confreg.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Service().Compact(t.Context(), &confregv1.CompactRequest{}); err != nil {
					t.Fatal(err)
				}
			})
		},
		"another epoch": func(t *testing.T, s *server) {
			s.store += ".restored"
			elsewhere(t, s, func(client *confreg.Client) {
				put(t, client, name("changed"), 0)
				change(t, client)
			})
		},
	} {
		t.Run(what, func(t *testing.T) {
			server := startServer(t)
			client := server.client(t)
			put(t, client, name("changed"), 1)
			put(t, client, name("gone"), 1)
			options := confreg.WatchOptions{Selectors: []confreg.Selector{{Environment: "prod"}}}
			var heard []string
			var first confreg.Position
			for update, err := range client.Watch(t.Context(), options) {
				if err != nil {
					t.Fatal(err)
				}
				if heard = append(heard, lines(update)); len(heard) == 3 {
					break
				}
				if update.First {
					first = update.Position
					server.end(syscall.SIGKILL)
					between(t, server)
				} else {
					put(t, client, name("new"), 2)
				}
			}
			want := []string{"false create changed, create gone", "true update changed, create new, delete gone",
				"false update new"}
			if fmt.Sprint(heard) != fmt.Sprint(want) {
				t.Errorf("%q", heard)
			}
			// Another watch, which resumes from then, does not know the state: it is told first.
			options.ResumeAfter = first
			for update, err := range client.Watch(t.Context(), options) {
				if err != nil || !update.First || len(update.Changes) != 2 {
					t.Error(update, err)
				}
				break
			}
		})
	}
}

func TestAWatchResumesAfterAnotherOne(t *testing.T) {
	client := startServer(t).client(t)
	put(t, client, billing, 1)
	var after confreg.Position
	for update := range client.Watch(t.Context(), confreg.WatchOptions{}) {
		after = update.Position
		break
	}
	put(t, client, billing, 2)
	for update, err := range client.Watch(t.Context(), confreg.WatchOptions{ResumeAfter: after}) {
		if err != nil || update.First || update.Changes[0].Version != 2 {
			t.Error(update, err)
		}
		break
	}
}

func TestAServerThatIsFrozen(t *testing.T) {
	server := startServer(t)
	client := server.client(t)
	client.SetSilence(time.Second)
	writer := server.client(t)
	put(t, writer, billing, 1)
	states := make(chan confreg.State, 100)
	provider := confreg.NewProvider(t.Context(), client, billing, confreg.ProviderOptions{
		StaleAfter: time.Millisecond, OnState: func(state confreg.State) { states <- state }})
	defer provider.Close()
	if state := <-states; state != confreg.Ready {
		t.Fatal(state)
	}
	server.signal(syscall.SIGSTOP)
	if state := <-states; state != confreg.Stale || provider.Int("n", 0) != 1 {
		t.Fatal(state)
	}
	server.signal(syscall.SIGCONT)
	put(t, writer, billing, 2)
	until(t, "it goes on", func() bool { return provider.Int("n", 0) == 2 })
}

// TLS by a certificate that is replaced, and a token that is revoked and replaced.
func TestTLSAndATokenThatAreReplaced(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	certify(t, path("own.pem"), path("own.key"))
	certify(t, path("ca.pem"), path("other.key")) // not that of the server
	access := path("access.json")
	server := newServer(folder, "--tls-cert", path("own.pem"), "--tls-key", path("own.key"), "--access", access)
	token := func(name, role string) {
		t.Helper()
		made, err := exec.Command(server.program, "access", "token", name, "--role", role, "--access", access).Output()
		if err != nil {
			t.Fatal(err)
		}
		write(t, path("token"), made)
	}
	trust := func() {
		t.Helper()
		text, err := os.ReadFile(path("own.pem"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, path("ca.pem"), text)
	}
	token("ada", "admin")
	server.secured = true
	server.mustStart(t)
	t.Cleanup(func() { server.end(syscall.SIGKILL) })
	client := newClient(t, confreg.Options{Addresses: []string{server.address}, TokenFile: path("token"),
		TLS: &confreg.TLS{CAFile: path("ca.pem")}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := client.Get(ctx, billing, confreg.GetOptions{}); err == nil || errors.Is(err, confreg.ErrNotFound) {
		t.Fatal("a server that nobody vouches for was believed:", err)
	}
	trust() // the same client, with the file replaced
	put(t, client, billing, 1)
	provider := confreg.NewProvider(t.Context(), client, billing, confreg.ProviderOptions{})
	defer provider.Close()
	until(t, "it is read", func() bool { return provider.Int("n", 0) == 1 })

	// The server comes back with another certificate, and without the token.
	server.end(syscall.SIGKILL)
	if err := os.Remove(access); err != nil {
		t.Fatal(err)
	}
	write(t, path("old-token"), nil)
	old, err := os.ReadFile(path("token"))
	if err != nil {
		t.Fatal(err)
	}
	token("bob", "admin")
	fresh, err := os.ReadFile(path("token"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, path("token"), old)
	certify(t, path("own.pem"), path("own.key"))
	server.mustStart(t)
	trust()
	until(t, "the old token is refused", func() bool {
		var e *confreg.Error
		return errors.As(provider.Err(), &e) && e.Reason == "CREDENTIALS_INVALID"
	})
	if provider.Int("n", 0) != 1 {
		t.Error("the values do not stay")
	}
	write(t, path("token"), fresh)
	put(t, client, billing, 2)
	until(t, "the new token is used", func() bool { return provider.Int("n", 0) == 2 })
}
