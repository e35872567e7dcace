package jolokia

import (
	"encoding/json"
	"fmt"
)

// Answer is what a node said to one element of a bulk request.
type Answer struct {
	request Request
	value   json.RawMessage
	failed  *Error
	attrs   map[string]json.RawMessage
	told    int64
}

// Told is when the node answered by its own clock, in whole seconds since 1970; 0: it did not say.
func (a Answer) Told() int64 { return a.told }

type element struct {
	Status    int             `json:"status"`
	Value     json.RawMessage `json:"value"`
	ErrorType string          `json:"error_type"`
	Error     string          `json:"error"`
	Timestamp int64           `json:"timestamp"`
}

// parse reads a body that came with HTTP 200. It must hold exactly one element per request; anything else, and any
// JSON that is broken anywhere, costs the whole answer.
func parse(doing string, requests []Request, body []byte) ([]Answer, error) {
	bad := func(format string, args ...any) error {
		return &Error{Kind: BadAnswer, Doing: doing, Message: fmt.Sprintf(format, args...)}
	}
	if !json.Valid(body) {
		return nil, bad("%d bytes of invalid or cut-off JSON under HTTP 200, ending in %q", len(body), tail(body))
	}
	var list []element
	if err := json.Unmarshal(body, &list); err != nil {
		var single element // the agent answers with one object when it could not take the bulk apart
		if json.Unmarshal(body, &single) == nil && single.ErrorType != "" {
			return nil, failure(doing, requests[0].MBean, single.ErrorType, single.Error)
		}
		return nil, bad("not a list of answers: %s", err)
	}
	if len(list) != len(requests) {
		return nil, bad("%d answers to %d requests", len(list), len(requests))
	}
	out := make([]Answer, len(list))
	for i, e := range list {
		out[i] = answer(requests[i], e)
	}
	return out, nil
}

func answer(r Request, e element) Answer {
	a := Answer{request: r, value: e.Value, told: e.Timestamp}
	switch {
	case e.Status != 200 || e.ErrorType != "":
		a.failed = failure(r.doing(), r.MBean, e.ErrorType, e.Error)
	case r.Type == "read":
		if err := json.Unmarshal(e.Value, &a.attrs); err != nil {
			a.failed = &Error{Kind: BadAnswer, Doing: r.doing(), Message: "the value is not an object of attributes", Err: err}
		}
	}
	return a
}

// Value is the result of a query or exec; JSON null is a result too.
func (a Answer) Value() (json.RawMessage, error) {
	if a.failed != nil {
		return nil, a.failed
	}
	return a.value, nil
}

// Err is the fault of the whole element, nil if there is none.
func (a Answer) Err() error {
	if a.failed != nil {
		return a.failed
	}
	return nil
}

// Into decodes the result of a query.
func (a Answer) Into(v any) error {
	if a.failed != nil {
		return a.failed
	}
	return decode(a.request.doing(), a.value, v)
}

// Attr decodes one attribute of a read. An attribute that the node does not have, or could not compute, is an error
// for this attribute alone.
func (a Answer) Attr(name string, v any) error {
	doing := a.request.doing() + " " + name
	if a.failed != nil {
		return a.failed
	}
	raw, found := a.attrs[name]
	if !found {
		return &Error{Kind: BadAnswer, Doing: doing, Message: "the attribute is not in the answer"}
	}
	var inner struct {
		Failed    bool   `json:".error"`
		ErrorType string `json:"error_type"`
		Error     string `json:"error"`
	}
	if json.Unmarshal(raw, &inner) == nil && inner.ErrorType != "" {
		return failure(doing, a.request.MBean, inner.ErrorType, inner.Error)
	}
	return decode(doing, raw, v)
}

func decode(doing string, raw json.RawMessage, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return &Error{Kind: BadAnswer, Doing: doing, Message: "the value has another form than expected", Err: err}
	}
	return nil
}

func tail(b []byte) string { return short(string(b[max(0, len(b)-40):])) }
