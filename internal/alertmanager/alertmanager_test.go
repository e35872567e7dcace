package alertmanager

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/api/v2/models"
)

func TestCalls(t *testing.T) {
	var said []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body)
		said = append(said, strings.Join([]string{r.Method, r.URL.EscapedPath(), r.Header.Get("Authorization"), string(body)}, " "))
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/gone"):
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/bad"):
			http.Error(w, "no\x1b[2J", http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/worse"):
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`"disk\u001b[2J"`))
		case r.Method == http.MethodGet:
			_, _ = w.Write([]byte(`[{"id":"a","status":{"state":"active"},"comment":"x"},{"id":"b","status":{"state":"expired"}}]`))
		}
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Client{URL: server.URL + "/am/", TokenFile: token, HTTP: server.Client()}
	all, err := c.Silences(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != "a" {
		t.Errorf("%+v %v", all, err)
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	if err := c.Put(t.Context(), Silence{Matchers: []Matcher{{Name: "n", Value: "v", IsEqual: true}}, StartsAt: at, EndsAt: at, CreatedBy: "galen", Comment: "run 1"}); err != nil {
		t.Error(err)
	}
	if err := c.Lift(t.Context(), "../x"); err != nil {
		t.Error(err)
	}
	want := `GET /am/api/v2/silences Bearer secret ` + "\n" +
		`POST /am/api/v2/silences Bearer secret {"comment":"run 1","createdBy":"galen","endsAt":"2026-11-23T12:00:00.000Z","matchers":[{"isEqual":true,"isRegex":false,"name":"n","value":"v"}],"startsAt":"2026-11-23T12:00:00.000Z"}` + "\n" +
		`DELETE /am/api/v2/silence/..%2Fx Bearer secret `
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("said\n%s\nwant\n%s", got, want)
	}
	for id, says := range map[string]string{"gone": "404", "bad": "502", "worse": "500"} {
		if err := c.Lift(t.Context(), id); err == nil || strings.Contains(err.Error(), "\x1b") || !strings.Contains(err.Error(), says) || len(err.Error()) > 400 {
			t.Errorf("%s: %v", id, err)
		}
	}
	c.TokenFile += "x"
	if _, err := c.Silences(t.Context()); err == nil {
		t.Error("called without its token")
	}
}

// TestNoCallIsPrinted: the client of go-openapi prints its calls with all headers where the environment says so; ours have a token.
func TestNoCallIsPrinted(t *testing.T) {
	t.Setenv("SWAGGER_DEBUG", "1")
	t.Setenv("DEBUG", "1")
	dir, stderr := t.TempDir(), os.Stderr
	printed, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = printed
	defer func() { os.Stderr = stderr }()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("[]"))
	}))
	defer server.Close()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("a-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Client{URL: server.URL, TokenFile: token, HTTP: server.Client()}).Silences(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(printed.Name()); err != nil || len(text) > 0 {
		t.Errorf("printed %q, %v", text, err)
	}
}

// FuzzUnexpired: whatever an answer has or lacks, each silence that is told has an ID, and nothing panics.
func FuzzUnexpired(f *testing.F) {
	f.Add([]byte(`[{"id":"a","status":{"state":"active"},"endsAt":"2026-11-23T12:00:00Z","matchers":[{"name":"n","value":"v"}]}]`))
	f.Add([]byte(`[null, {}, {"id":"a","matchers":[null,{}]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var answer models.GettableSilences
		if json.Unmarshal(b, &answer) != nil {
			return
		}
		for _, s := range unexpired(answer) {
			if s.ID == "" {
				t.Fatalf("%+v", s)
			}
		}
	})
}
