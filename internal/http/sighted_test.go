package http

import (
	"errors"
	"strings"
	"testing"
)

// TestStatusOfWhoSeesNothing: an engine that answers, and whose looks see nothing, does not work for people; a load balancer may go on with it.
func TestStatusOfWhoSeesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		sees   func() error
		broken error
		want   string
	}{
		"nobody tells":           {nil, nil, `"ok":true`},
		"it sees":                {func() error { return nil }, nil, `"ok":true`},
		"it sees nothing":        {func() error { return errors.New("no look has seen anything for 31s") }, nil, `"ok":false,`},
		"nothing works any more": {func() error { return errors.New("blind") }, errDisk, errDisk.Error()},
	} {
		o := (&engine{}).options()
		o.Sees = c.sees
		if c.broken != nil {
			o.Health = (&engine{broken: c.broken}).options().Health
		}
		w := call(t, Handler(o), "GET", "/v1/status", "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), c.want) || c.sees != nil && c.sees() != nil && c.broken == nil && !strings.Contains(w.Body.String(), c.sees().Error()) {
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.want)
		}
		if w := call(t, Handler(o), "GET", "/v1/health", ""); (w.Code == 200) != (c.broken == nil) {
			t.Errorf("%s: health %d %s", name, w.Code, w.Body)
		}
	}
}
