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
)

func TestCalls(t *testing.T) {
	var said []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body)
		said = append(said, strings.Join([]string{r.Method, r.URL.EscapedPath(), r.Header.Get("Authorization"), string(body)}, " "))
		switch {
		case strings.HasSuffix(r.URL.Path, "/bad"):
			http.Error(w, "no\x1b[2J", http.StatusNotFound)
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
		`POST /am/api/v2/silences Bearer secret {"matchers":[{"name":"n","value":"v","isRegex":false,"isEqual":true}],"startsAt":"2026-11-23T12:00:00Z","endsAt":"2026-11-23T12:00:00Z","createdBy":"galen","comment":"run 1"}` + "\n" +
		`DELETE /am/api/v2/silence/..%2Fx Bearer secret `
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("said\n%s\nwant\n%s", got, want)
	}
	if err := c.Lift(t.Context(), "bad"); err == nil || strings.Contains(err.Error(), "\x1b") || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
	c.TokenFile += "x"
	if _, err := c.Silences(t.Context()); err == nil {
		t.Error("called without its token")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"id":"a","status":{"state":"active"},"endsAt":"2026-11-23T12:00:00Z","matchers":[{"name":"n","value":"v"}]}]`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parse(b)
		for _, s := range all {
			if s.ID == "" || err != nil {
				t.Fatalf("%+v %v", s, err)
			}
		}
	})
}
