package confreg

import (
	"bytes"
	"cmp"
	"slices"
)

// view is what a watch has told so far. It makes updates of batches: of a state what differs from the one
// before, of changes those that were not told yet. It may be given a commit twice, but none may be left
// out.
type view struct {
	configs map[Name]*Config // all that is watched; nil: not known
	at      Position         // of the last batch
}

// take returns nil where there is nothing to tell.
func (v *view) take(b *batch) *Update {
	position := positionOf(b.position)
	if b.state != nil {
		return v.takeState(b.state, position)
	}
	var changes []Change
	for _, change := range b.changes {
		if position.Epoch != v.at.Epoch || change.Revision > v.at.Revision {
			changes = append(changes, change)
			v.apply(&change)
		}
	}
	if !isOlder(position, v.at) {
		v.at = position
	}
	if len(changes) == 0 {
		return nil
	}
	return &Update{Changes: changes, Position: position}
}

func (v *view) apply(change *Change) {
	if v.configs != nil {
		change.applyTo(v.configs)
	}
}

func (c *Change) applyTo(configs map[Name]*Config) {
	if c.Config != nil {
		configs[c.Name] = c.Config
	} else if c.Deleted() {
		delete(configs, c.Name)
	}
}

func (v *view) takeState(state map[Name]*Config, position Position) *Update {
	before, isSameLog := v.configs, v.at.Epoch == position.Epoch
	v.configs, v.at = state, position
	update := &Update{Position: position, First: before == nil, Synthetic: before != nil}
	for _, config := range sorted(state) {
		if before == nil || !sameConfig(before[config.Name], config, isSameLog) {
			update.Changes = append(update.Changes, found(config, position))
		}
	}
	for _, config := range sorted(before) {
		if state[config.Name] == nil {
			update.Changes = append(update.Changes, Change{
				Name: config.Name, Kind: KindDelete, Revision: position.Revision})
		}
	}
	if update.Synthetic && len(update.Changes) == 0 {
		return nil
	}
	return update
}

func sorted(configs map[Name]*Config) []*Config {
	list := make([]*Config, 0, len(configs))
	for _, config := range configs {
		list = append(list, config)
	}
	slices.SortFunc(list, func(a, b *Config) int {
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Service, b.Service))
	})
	return list
}

// sameConfig says whether a head (nil: none) is still the same. Between two logs only values can be
// compared.
func sameConfig(before, now *Config, isSameLog bool) bool {
	return before != nil && before.Payload == now.Payload && bytes.Equal(before.Data, now.Data) &&
		(!isSameLog || before.Version == now.Version && before.ModRevision == now.ModRevision)
}

// found is the synthetic change that a snapshot tells.
func found(config *Config, position Position) Change {
	return Change{Name: config.Name, Kind: config.Kind, Version: config.Version, Config: config,
		HeadVersion: config.Version, Revision: position.Revision, Author: config.Author,
		Comment: config.Comment}
}
