package fake

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// CodeUnavailable says that instances of a zone do not serve, as observers agree.
const CodeUnavailable galen.Code = "instance-unavailable"

// Detectors are those of the kind.
func Detectors() []galen.Detector[Cluster] {
	return []galen.Detector[Cluster]{{Name: "fake/unavailable", Codes: []galen.Code{CodeUnavailable}, Detect: unavailable}}
}

// unavailable finds the instances that have been bad for a while, one finding per zone.
func unavailable(now time.Time, c Cluster, p galen.Policy) []galen.Finding {
	byZone := map[string]*galen.Finding{}
	var zones []string
	for _, i := range c.Instances {
		if !i.Bad() || now.Sub(i.BadSince) < p.DownFor.D() {
			continue
		}
		f := byZone[i.Zone]
		if f == nil {
			f = &galen.Finding{Resource: c.Resource(), Code: CodeUnavailable, Domain: c.Name + "/" + i.Zone, Urgency: galen.Medium, Since: i.BadSince, Began: map[string]time.Time{}}
			byZone[i.Zone] = f
			zones = append(zones, i.Zone)
		}
		f.Targets, f.Began[i.Target().ID] = append(f.Targets, i.Target()), i.BadSince
		f.Evidence = append(f.Evidence, i.Observations...)
		if i.Role == Writer {
			f.Urgency = galen.High
		}
	}
	slices.SortFunc(zones, strings.Compare)
	out := make([]galen.Finding, 0, len(zones))
	for _, z := range zones {
		f := byZone[z]
		f.Why = fmt.Sprintf("%d instances of %s do not serve", len(f.Targets), f.Domain)
		out = append(out, *f)
	}
	return out
}
