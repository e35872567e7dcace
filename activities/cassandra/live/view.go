package live

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
)

const (
	runtimeBean = "java.lang:type=Runtime"
	metrics     = "org.apache.cassandra.metrics:"
)

// poll is everything that one look reads of a node, but for the pending ranges. SchemaVersionsWithPort is not in it: it
// asks every peer and blocks for the whole request timeout while one of them is frozen; the schema versions are in the
// gossip. Nor is SnapshotDetails, which breaks the whole answer.
func poll() []jolokia.Request {
	out := []jolokia.Request{
		jolokia.ReadOf(jolokia.StorageService, "ClusterName", "OperationMode", "LocalHostId", "CurrentGenerationNumber", "ReleaseVersion",
			"SchemaVersion", "TokenToEndpointWithPortMap", "EndpointWithPortToHostId", "JoiningNodesWithPort", "LeavingNodesWithPort",
			"MovingNodesWithPort", "OwnershipWithPort", "NonLocalStrategyKeyspaces"),
		jolokia.ReadOf(jolokia.FailureDetector, "SimpleStatesWithPort", "AllEndpointStatesWithPort"),
		jolokia.ReadOf(jolokia.Gossiper, "Seeds"),
		jolokia.ReadOf(jolokia.StreamManager, "CurrentStreams"),
		jolokia.ReadOf(runtimeBean, "InputArguments", "Uptime"),
		readThrottle(),
	}
	for _, g := range gauges() {
		out = append(out, jolokia.ReadOf(g.mbean, g.attribute))
	}
	return out
}

// gauge is one number for the vitals, raw as the node counts it.
type gauge struct{ name, mbean, attribute string }

func gauges() []gauge {
	return []gauge{
		{cassandra.GaugeReads, metrics + "type=ThreadPools,path=request,scope=ReadStage,name=PendingTasks", "Value"},
		{cassandra.GaugeWrites, metrics + "type=ThreadPools,path=request,scope=MutationStage,name=PendingTasks", "Value"},
		{cassandra.GaugeCQL, metrics + "type=ThreadPools,path=transport,scope=Native-Transport-Requests,name=PendingTasks", "Value"},
		{"hints_written_total", metrics + "type=Storage,name=TotalHints", "Count"},
		{"storage_exceptions_total", metrics + "type=Storage,name=Exceptions", "Count"},
		{"compactions_pending", metrics + "type=Compaction,name=PendingTasks", "Value"},
		{"read_timeouts_total", metrics + "type=ClientRequest,scope=Read,name=Timeouts", "Count"},
		{"write_timeouts_total", metrics + "type=ClientRequest,scope=Write,name=Timeouts", "Count"},
		{"read_latency_p99_us", metrics + "type=ClientRequest,scope=Read,name=Latency", "99thPercentile"},
		{"write_latency_p99_us", metrics + "type=ClientRequest,scope=Write,name=Latency", "99thPercentile"},
	}
}

const pendingOperation = "getPendingRangeToEndpointWithPortMap(java.lang.String)"

// askJolokia fills in the view all that the node's agent tells. What is needed and cannot be read makes the whole view
// a bad answer: half a view must not pass for a whole one.
func (n *node) askJolokia(ctx context.Context, v *cassandra.View) {
	answers, err := n.agent.Bulk(ctx, poll()...)
	var keyspaces []string
	if err == nil {
		keyspaces, err = fill(v, answers)
	}
	if err == nil && answers[0].Told() != 0 {
		v.Gauges[cassandra.GaugeClock] = float64(offset(answers[0].Told(), v.At, n.now())) / float64(time.Millisecond)
	}
	if err == nil && len(keyspaces) > 0 {
		requests := make([]jolokia.Request, len(keyspaces))
		for i, k := range keyspaces {
			requests[i] = jolokia.Query(jolokia.StorageService, pendingOperation, k)
		}
		if answers, err = n.agent.Bulk(ctx, requests...); err == nil {
			v.Pending, err = pendingOf(keyspaces, answers)
		}
	}
	if err != nil {
		*v = cassandra.View{Instance: v.Instance, Address: v.Address, At: v.At, Jolokia: reaction(err), JolokiaError: err.Error()}
		return
	}
	v.Jolokia = cassandra.Answered
}

// offset is how far a clock is off at least that told this whole second between two moments of ours.
func offset(told int64, asked, answered time.Time) time.Duration {
	least, most := time.Unix(told, 0).Sub(answered), time.Unix(told+1, 0).Sub(asked)
	switch {
	case least > 0:
		return least
	case most < 0:
		return most
	default:
		return 0
	}
}

func reaction(err error) cassandra.Answer {
	switch jolokia.KindOf(err) {
	case jolokia.Refused:
		return cassandra.Refused
	case jolokia.Timeout, jolokia.Unreachable:
		return cassandra.Hung
	case jolokia.Booting:
		return cassandra.Booting
	default:
		return cassandra.BadAnswer
	}
}

// reader reads attributes and keeps the first fault of a needed one. Of a node that is starting, only the mode is
// needed: generation and ownership are errors then.
type reader struct {
	starting bool
	err      error
}

func (r *reader) need(a jolokia.Answer, name string, v any) {
	if err := a.Attr(name, v); err != nil && r.err == nil && !r.starting {
		r.err = err
	}
}

func (r *reader) addresses(a jolokia.Answer, name string) []string {
	var list []string
	r.need(a, name, &list)
	return r.normal(list)
}

// normal is a list of endpoints as sorted addresses.
func (r *reader) normal(endpoints []string) []string {
	out, err := jolokia.Addresses(endpoints)
	if err != nil && r.err == nil {
		r.err = err
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fill reads the answers to poll into a view. keyspaces are those that can have pending ranges.
func fill(v *cassandra.View, a []jolokia.Answer) (keyspaces []string, err error) {
	service, detector, gossiper, streams, jvm, throttles := a[0], a[1], a[2], a[3], a[4], a[5]
	if err := service.Err(); err != nil {
		return nil, err
	}
	if err := service.Attr("OperationMode", &v.Mode); err != nil {
		return nil, err
	}
	r := reader{starting: v.Mode == "STARTING"}
	for name, into := range map[string]any{"ClusterName": &v.Cluster, "LocalHostId": &v.HostID,
		"CurrentGenerationNumber": &v.Generation, "ReleaseVersion": &v.Version, "SchemaVersion": &v.Schema,
		"NonLocalStrategyKeyspaces": &keyspaces} {
		r.need(service, name, into)
	}
	v.Joining = r.addresses(service, "JoiningNodesWithPort")
	v.Leaving = r.addresses(service, "LeavingNodesWithPort")
	v.Moving = r.addresses(service, "MovingNodesWithPort")
	v.Seeds = r.addresses(gossiper, "Seeds")
	r.tokens(v, service)
	r.owners(v, service)
	r.peers(v, detector)
	slices.Sort(keyspaces)
	v.Throttle = throttle(throttles)
	extras(v, streams, jvm, a[len(a)-len(gauges()):])
	return keyspaces, r.err
}

// tokens is the token map; it holds joining nodes too.
func (r *reader) tokens(v *cassandra.View, service jolokia.Answer) {
	var owners, ids map[string]string
	r.need(service, "TokenToEndpointWithPortMap", &owners)
	r.need(service, "EndpointWithPortToHostId", &ids)
	byAddress := map[string]string{}
	for endpoint, id := range ids {
		for _, a := range r.normal([]string{endpoint}) {
			byAddress[a] = id
		}
	}
	for text, endpoint := range owners {
		t, err := strconv.ParseInt(text, 10, 64)
		if err != nil && r.err == nil {
			r.err = &jolokia.Error{Kind: jolokia.BadAnswer, Doing: "read the token map", Err: err}
		}
		for _, a := range r.normal([]string{endpoint}) {
			v.Tokens = append(v.Tokens, cassandra.Owner{Token: cassandra.Token(t), Address: a, HostID: byAddress[a]})
		}
	}
	slices.SortFunc(v.Tokens, func(a, b cassandra.Owner) int { return cmp.Compare(a.Token, b.Token) })
	if len(v.Tokens) > 0 {
		v.TokenHash = cassandra.HashOwners(v.Tokens)
	}
}

// owners are who has a share of the ring. A node that starts or joins may be unable to tell; one that is NORMAL must.
func (r *reader) owners(v *cassandra.View, service jolokia.Answer) {
	var share map[string]float64
	if err := service.Attr("OwnershipWithPort", &share); err != nil {
		if v.Mode == string(cassandra.Normal) && r.err == nil {
			r.err = err
		}
		return
	}
	v.Owners = r.normal(slices.Collect(maps.Keys(share)))
}

// peers is what the node says of every endpoint: from its gossip, and up or down from its failure detector.
func (r *reader) peers(v *cassandra.View, detector jolokia.Answer) {
	var states map[string]string
	var text string
	r.need(detector, "SimpleStatesWithPort", &states)
	r.need(detector, "AllEndpointStatesWithPort", &text)
	list, err := jolokia.ParseGossip(text)
	if err != nil && r.err == nil {
		r.err = err
	}
	up := map[string]bool{}
	for endpoint, state := range states {
		for _, a := range r.normal([]string{endpoint}) {
			up[a] = state == "UP"
		}
	}
	v.Gauges = map[string]float64{}
	for _, e := range list {
		if e.Address == v.Address {
			v.Gauges["load_bytes"] = float64(e.LoadBytes)
		}
		v.Peers = append(v.Peers, cassandra.Endpoint{Address: e.Address, Up: up[e.Address], Status: e.Status, HostID: e.HostID, DC: e.DC, Rack: e.Rack,
			Version: e.Release, Generation: e.Generation, Heartbeat: e.Heartbeat, RPCReady: e.RPCReady, Load: e.LoadBytes})
	}
	slices.SortFunc(v.Peers, func(a, b cassandra.Endpoint) int { return cmp.Compare(a.Address, b.Address) })
}

// extras are worth having and not needed: what cannot be read is left out.
func extras(v *cassandra.View, streams, jvm jolokia.Answer, numbers []jolokia.Answer) {
	var plans []struct {
		Sessions []struct{} `json:"sessions"`
	}
	if streams.Attr("CurrentStreams", &plans) == nil {
		for _, p := range plans {
			v.Streams += len(p.Sessions)
		}
	}
	var options []string
	if jvm.Attr("InputArguments", &options) == nil {
		v.ReplaceFlag = replaceFlag(options)
	}
	var f float64
	if jvm.Attr("Uptime", &f) == nil {
		v.Gauges["uptime_ms"] = f
	}
	for i, g := range gauges() {
		if numbers[i].Attr(g.attribute, &f) == nil {
			v.Gauges[g.name] = f
		}
	}
}

func replaceFlag(options []string) string {
	for _, flag := range []string{"-Dcassandra.replace_address_first_boot=", "-Dcassandra.replace_address="} {
		for _, o := range slices.Backward(options) {
			if address, found := strings.CutPrefix(o, flag); found {
				return address
			}
		}
	}
	return ""
}

// pendingOf reads the pending ranges of each keyspace.
func pendingOf(keyspaces []string, answers []jolokia.Answer) ([]cassandra.Pending, error) {
	var out []cassandra.Pending
	for i, k := range keyspaces {
		var ranges map[string][]string
		if err := answers[i].Into(&ranges); err != nil {
			return nil, fmt.Errorf("pending ranges of keyspace %s: %w", k, err)
		}
		for text, endpoints := range ranges {
			r, err := jolokia.ParseRange(text)
			if err != nil {
				return nil, fmt.Errorf("pending ranges of keyspace %s: %w", k, err)
			}
			addresses, err := jolokia.Addresses(endpoints)
			if err != nil {
				return nil, fmt.Errorf("pending ranges of keyspace %s: %w", k, err)
			}
			for _, a := range addresses {
				out = append(out, cassandra.Pending{Keyspace: k, Address: a,
					Range: cassandra.Range{Start: cassandra.Token(r.Start), End: cassandra.Token(r.End)}})
			}
		}
	}
	slices.SortFunc(out, func(a, b cassandra.Pending) int {
		return cmp.Or(cmp.Compare(a.Keyspace, b.Keyspace), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Address, b.Address))
	})
	return out, nil
}
