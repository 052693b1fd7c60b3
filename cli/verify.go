package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/log"
)

func (a *app) logCommand() *cobra.Command {
	return parentCommand("log", "Look after a data directory", a.logVerify())
}

// errDamaged ends log verify with a failure, after the findings were printed.
var errDamaged = errors.New("the data directory is damaged")

func (a *app) logVerify() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "verify DATA-DIR",
		Short: "Read all data of a stopped node and check it",
		Long: `Reads every record batch and every index of a data directory, and its metadata
(topics, users, rights) down to the last entry, with checksums, and says what is damaged,
where, and what to do. It also says where the metadata and the directories of partitions
differ. It changes nothing, and needs the directory for itself: stop the node first.
The exit status is 1 if anything is damaged.`,
		Args: exactArgs("a data directory"),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := log.Verify(c.Context(), logDir(args[0]))
			if err != nil {
				return err
			}
			if output == "json" {
				err = printJSON(c.OutOrStdout(), r)
			} else {
				err = printVerified(c.OutOrStdout(), &r)
			}
			if err == nil && r.Damage() > 0 {
				err = fmt.Errorf("%w: %s", errDamaged, plural(r.Damage(), "finding", "findings"))
			}
			return err
		},
	}
	outputFlag(c, &output)
	return c
}

// logDir is where the log of a node lives whose --data is dir; the folder itself will
// do as well.
func logDir(dir string) string {
	if info, err := os.Stat(filepath.Join(dir, "log", "node")); err == nil && info.Mode().IsRegular() {
		return filepath.Join(dir, "log")
	}
	return dir
}

// printVerified prints each finding and then what was read.
func printVerified(w io.Writer, r *log.VerifyReport) error {
	for _, f := range r.Findings {
		if f.Partition != "" {
			fmt.Fprintf(w, "%s: partition %s", f.Kind, f.Partition)
		} else {
			fmt.Fprintf(w, "%s: %s", f.Kind, r.Dir)
		}
		if f.FirstOffset >= 0 {
			fmt.Fprintf(w, ", offsets %d to %d", f.FirstOffset, f.EndOffset-1)
		}
		fmt.Fprintf(w, "\n  where: %s, byte %d\n  what:  %s\n  do:    %s\n", f.File, f.Position, f.What, f.Do)
	}
	_, err := fmt.Fprintf(w, "read %s, %s, %s, metadata of %s (%s in its log), %d bytes: %s\n",
		plural(r.Partitions, "partition", "partitions"), plural(r.Segments, "segment", "segments"), plural(int(r.Batches), "batch", "batches"),
		plural(r.Topics, "topic", "topics"), plural(r.MetadataEntries, "entry", "entries"), r.Bytes, plural(r.Damage(), "damaged place", "damaged places"))
	return err
}
