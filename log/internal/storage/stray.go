package storage

import (
	"strings"
)

// moveStrays moves what stands in topics/ and is no topic, no partition and no
// unfinished deletion to quarantine/, and says so: somebody's copy of a partition
// must neither be taken for one, nor be deleted with its topic.
func (d *Disk) moveStrays() error {
	root := d.o.Dir + "/" + topicsDir
	names, err := d.o.FS.List(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := parseTopicName(name); !ok || !d.isDir(root+"/"+name) {
			if err := d.moveStray(root+"/"+name, name); err != nil {
				return err
			}
			continue
		}
		inside, err := d.o.FS.List(root + "/" + name)
		if err != nil {
			return err
		}
		for _, p := range inside {
			if _, ok := parsePartitionName(strings.TrimSuffix(p, deletedSuffix)); !ok || !d.isDir(root+"/"+name+"/"+p) {
				if err := d.moveStray(root+"/"+name+"/"+p, name+"-"+p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (d *Disk) isDir(name string) bool {
	info, err := d.o.FS.Stat(name)
	return err == nil && info.IsDir()
}

func (d *Disk) moveStray(name, what string) error {
	kept, err := d.setAside(name, "stray-"+what)
	if err != nil {
		return onDisk("move stray entry", err)
	}
	d.o.Logger.Warn("an entry among the topics that is no partition was moved to quarantine", "name", name, "kept", kept)
	return nil
}
