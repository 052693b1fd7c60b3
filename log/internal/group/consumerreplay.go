package group

// replayConsumer takes over a record of a group of the consumer protocol. Each key
// stands for itself: compaction takes a record away when a later one of the same key
// exists, so between two records that are left anything may be missing.
func (c *Core) replayConsumer(version int16, key, value []byte) (group string, err error) {
	group, of, err := decodeConsumerKey(key)
	if err != nil {
		return group, err
	}
	g := c.groups[group]
	if g == nil || g.consumers == nil {
		if value == nil {
			return group, nil
		}
		g = c.group(group)
		g.consumers = newConsumerGroup()
	}
	err = g.consumers.replay(version, of, value)
	if g.consumers.bare() {
		g.consumers = nil
		c.tidy(g)
	}
	return group, err
}

func (cg *consumerGroup) replay(version int16, of string, value []byte) (err error) {
	gone := value == nil
	switch version {
	case groupEpochKey:
		cg.epoch, cg.hash = 0, 0
		if !gone {
			cg.epoch, cg.hash, err = decodeEpoch(value)
		}
	case partitionMetadataKey:
		cg.legacy = !gone
	case targetEpochKey:
		cg.targetEpoch = 0
		if !gone {
			cg.targetEpoch, err = decodeTargetEpoch(value)
		}
	case memberTargetKey:
		delete(cg.target, of)
		if !gone {
			cg.target[of], err = decodeTarget(value)
		}
	case regexKey:
		delete(cg.regexes, of)
		if !gone {
			cg.regexes[of], err = decodeRegex(value)
		}
	case memberProfileKey, memberStandingKey:
		err = cg.replayMember(version, of, value)
	}
	return err
}

// replayMember keeps a member for as long as one of its two records is there.
func (cg *consumerGroup) replayMember(version int16, id string, value []byte) (err error) {
	m := cg.members[id]
	if m == nil {
		if value == nil {
			return nil
		}
		m = newConsumerMember(id)
		cg.members[id] = m
	}
	switch {
	case version == memberProfileKey && value == nil:
		m.profile, m.hasProfile = profile{}, false
	case version == memberProfileKey:
		m.hasProfile = true
		m.profile, err = decodeProfile(value)
	case value == nil:
		m.standing, m.hasStanding = standing{assigned: partitions{}, revoking: partitions{}}, false
	default:
		m.hasStanding = true
		m.standing, err = decodeStanding(value)
	}
	if !m.hasProfile && !m.hasStanding {
		delete(cg.members, id)
	}
	return err
}

// settle decides what was replayed of a group: the protocol whose records are whole.
// A group that moved from one protocol to the other has left tombstones of the first,
// in the same batch as the records of the second.
func (c *Core) settle(g *group) {
	cg := g.consumers
	if cg == nil {
		return
	}
	for id, m := range cg.members {
		if !m.hasProfile {
			delete(cg.members, id)
		}
	}
	for id := range cg.target {
		if cg.members[id] == nil {
			delete(cg.target, id)
		}
	}
	if cg.epoch == 0 {
		g.consumers = nil
		c.tidy(g)
		return
	}
	cg.derive()
	for _, id := range cg.sortedIDs() {
		c.restartClocks(g, cg.members[id])
	}
}
