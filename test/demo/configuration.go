package main

import (
	"encoding/json"

	"github.com/galenhq/galen/test/lab"
)

const listen = "127.0.0.1:7170"

// configuration is what galen serve reads; the policy demo shows each wait that is shortened. JSON is YAML too.
func configuration(ring *lab.Ring, data string) ([]byte, error) {
	type node struct {
		Instance string `json:"instance"`
		Address  string `json:"address"`
		Jolokia  string `json:"jolokia"`
		CQL      string `json:"cql"`
		Folder   string `json:"folder"`
		Start    string `json:"start"`
		PidFile  string `json:"pid_file"`
		Spare    bool   `json:"spare,omitempty"`
	}
	var nodes []node
	add := func(n *lab.Node, spare bool) {
		nodes = append(nodes, node{n.Instance, n.Address, n.JolokiaURL, n.CQLAddress, n.Folder, n.StartCommand, n.PidFile, spare})
	}
	for _, n := range ring.Nodes() {
		add(n, false)
	}
	for _, n := range ring.Spares() {
		add(n, true)
	}
	return json.MarshalIndent(map[string]any{
		"data":   data,
		"listen": listen,
		"policies": map[string]any{"demo": map[string]any{
			"mode": "act", "look_every": "1s", "look_soon": "500ms", "down_for": "0s", "restart_after": "2s",
			"hold_for": "6s", "gone_apart": "3s",
		}},
		"resources": []any{map[string]any{
			"resource": patient().String(), "policy": "demo", "labels": map[string]string{"cluster": ring.Name},
			"setup": map[string]any{"nodes": nodes},
		}},
	}, "", "  ")
}
