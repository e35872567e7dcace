package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// Config is what a fresh node must be told; all of it comes from the live ring.
type Config struct {
	Cluster   string
	DC        string
	Rack      string
	Seeds     []string
	NumTokens int
	// Replace is the address of the dead node.
	Replace string
}

func (c Config) check(address string) error {
	if c.Cluster == "" || c.DC == "" || c.Rack == "" || len(c.Seeds) == 0 || c.NumTokens < 1 {
		return fmt.Errorf("configuration %+v: cluster, dc, rack, seeds and num_tokens are required", c)
	}
	if slices.Contains(c.Seeds, address) {
		return fmt.Errorf("seeds %v hold the node's own address %s: a seed does not bootstrap", c.Seeds, address)
	}
	for _, a := range append([]string{c.Replace}, c.Seeds...) {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("configuration: %q is not an IP address", a)
		}
	}
	return nil
}

// dataFolders are all that a node writes its state to.
func dataFolders() []string { return []string{"data", "commitlog", "hints", "saved_caches", "cdc_raw"} }

// confFiles are the files that Prepare changes.
func confFiles() []string { return []string{yamlFile, rackFile, optionFile} }

// Prepare writes the start configuration of a node that is to replace another one into an empty folder, and keeps the
// old configuration for Discard. It refuses a folder that is fenced, runs, holds any data, or is prepared by another
// intent. Repeated after a crash it completes, also for a new intent.
func (h *Host) Prepare(ctx context.Context, o Order, c Config) error {
	return h.locked(ctx, o, func() error {
		if err := c.check(h.setup.Address); err != nil {
			return err
		}
		if err := h.mayStart(); err != nil {
			return err
		}
		if err := h.empty(); err != nil {
			return err
		}
		p, err := h.preparation()
		if err != nil {
			return err
		}
		if p.Complete && p.Intent != o.Intent {
			return fmt.Errorf("%w (%s): discard that first", ErrPrepared, p.Intent)
		}
		return h.prepare(o.Intent, c)
	})
}

func (h *Host) prepare(intent string, c Config) error {
	if err := h.mark(preparation{Intent: intent}); err != nil {
		return err
	}
	if err := h.keepOriginals(); err != nil {
		return err
	}
	changed, err := h.changed(c)
	if err != nil {
		return err
	}
	for _, name := range confFiles() {
		if err := h.disk.write(h.path("conf", name), changed[name]); err != nil {
			return err
		}
	}
	return h.mark(preparation{Intent: intent, Complete: true})
}

func (h *Host) mark(p preparation) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return h.disk.write(h.marker("prepared"), b)
}

// keepOriginals copies the configuration to galen/original, once: it comes about as a whole by a rename.
func (h *Host) keepOriginals() error {
	kept, building := h.marker("original"), h.marker("original.new")
	if _, err := os.Stat(kept); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := h.disk.remove(building); err != nil {
		return err
	}
	if err := os.MkdirAll(building, 0o755); err != nil {
		return err
	}
	for _, name := range confFiles() {
		b, err := os.ReadFile(h.path("conf", name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := h.disk.write(filepath.Join(building, name), b); err != nil {
			return err
		}
	}
	return h.disk.move(building, kept)
}

// changed are the new files, made from the originals, so that a repetition changes nothing further.
func (h *Host) changed(c Config) (map[string][]byte, error) {
	text := map[string][]byte{}
	for _, name := range confFiles() {
		b, err := os.ReadFile(filepath.Join(h.marker("original"), name))
		if ignoreAbsent(err) != nil {
			return nil, err
		}
		text[name] = b
	}
	was, err := parseYAML(text[yamlFile])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", yamlFile, err)
	}
	if a, err := netip.ParseAddr(was.Listen); err == nil && h.setup.Address != "" && a.String() != h.setup.Address {
		return nil, fmt.Errorf("%s: listen_address is %s, the instance is configured as %s: correct one of them", yamlFile, was.Listen, h.setup.Address)
	}
	if text[yamlFile], err = setYAML(text[yamlFile], c); err != nil {
		return nil, fmt.Errorf("%s: %w", yamlFile, err)
	}
	text[rackFile] = setProperties(text[rackFile], [2]string{"dc", c.DC}, [2]string{"rack", c.Rack})
	text[optionFile] = setReplace(text[optionFile], c.Replace)
	return text, nil
}

// empty refuses a folder with any file where a node keeps state.
func (h *Host) empty() error {
	for _, name := range dataFolders() {
		err := filepath.WalkDir(h.path(name), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				err = fmt.Errorf("%w: %s", ErrHasData, path)
			}
			return err
		})
		if ignoreAbsent(err) != nil {
			return err
		}
	}
	return nil
}

// Discard puts the old configuration back and ends the preparation of that intent; "" is whichever prepared it. It
// refuses while the node runs or holds data: take the joiner back first. A folder that is not prepared (any more)
// needs nothing.
func (h *Host) Discard(ctx context.Context, o Order, prepared string) error {
	return h.locked(ctx, o, func() error {
		p, err := h.preparation()
		if err != nil || p.Intent == "" {
			return err
		}
		if prepared != "" && p.Intent != prepared {
			return fmt.Errorf("%w: %s did it", ErrNotPrepared, p.Intent)
		}
		if err := errors.Join(h.notRunning(), h.empty()); err != nil {
			return err
		}
		if err := h.restore(); err != nil {
			return err
		}
		return h.forget()
	})
}

func (h *Host) restore() error {
	kept := h.marker("original")
	if _, err := os.Stat(kept); err != nil {
		return ignoreAbsent(err) // nothing was changed yet, or all is restored
	}
	for _, name := range confFiles() {
		b, err := os.ReadFile(filepath.Join(kept, name))
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = h.disk.remove(h.path("conf", name))
		case err == nil:
			err = h.disk.write(h.path("conf", name), b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forget ends a preparation. The originals go by one rename before the marker, so that no later one finds half of them.
func (h *Host) forget() error {
	if err := h.disk.remove(h.marker("original.old")); err != nil {
		return err
	}
	if err := h.disk.move(h.marker("original"), h.marker("original.old")); err != nil {
		return err
	}
	if err := h.disk.remove(h.marker("prepared")); err != nil {
		return err
	}
	return h.disk.remove(h.marker("original.old"))
}

// ClearReplaceFlag takes the replace flag out of the start configuration once the node is in service, and ends the
// preparation: from then on nothing discards it and nothing takes the joiner back.
func (h *Host) ClearReplaceFlag(ctx context.Context, o Order) error {
	return h.locked(ctx, o, func() error {
		path := h.path("conf", optionFile)
		b, err := os.ReadFile(path)
		if ignoreAbsent(err) != nil {
			return err
		}
		if cleared := setReplace(b, ""); replaceIn(optionLines(b)) != "" {
			if err := h.disk.write(path, cleared); err != nil {
				return err
			}
		}
		return h.forget()
	})
}

// RemoveJoiner takes back a replacement that failed: it kills the process that the replace intent started and empties
// its data folders, so that it can be prepared or discarded again. It refuses a folder that is not prepared (any
// more), one that the intent never started, and a process of another intent. Whether the node was ever NORMAL is for
// the caller to know; ClearReplaceFlag, at the latest, closes this door.
func (h *Host) RemoveJoiner(ctx context.Context, o Order, replace string) error {
	return h.locked(ctx, o, func() error {
		if err := h.isJoiner(replace); err != nil {
			return err
		}
		if err := h.killAll(ctx); err != nil {
			return err
		}
		return h.clearData()
	})
}

func (h *Host) isJoiner(replace string) error {
	name, err := fileName(replace)
	if err != nil {
		return err
	}
	if _, err := os.Stat(h.marker(name + ".started")); err != nil {
		return fmt.Errorf("%w: %s did not start this node: %w", ErrOther, replace, err)
	}
	p, err := h.preparation()
	if err != nil {
		return err
	}
	_, flag, err := h.readConfig()
	if err != nil {
		return err
	}
	if !p.Complete || flag == "" {
		return fmt.Errorf("%w: it may hold a node in service", ErrNotPrepared)
	}
	alive, err := h.all()
	if err != nil {
		return err
	}
	for _, a := range alive {
		if a.intent() != replace {
			return fmt.Errorf("%w: pid %d carries intent %q, not %s", ErrOther, a.pid, a.intent(), replace)
		}
	}
	return nil
}

// clearData empties the data folders and leaves them, for they may be mount points.
func (h *Host) clearData() error {
	for _, name := range dataFolders() {
		entries, err := os.ReadDir(h.path(name))
		if ignoreAbsent(err) != nil {
			return err
		}
		for _, e := range entries {
			if err := h.disk.remove(h.path(name, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
