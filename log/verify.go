package log

import (
	"context"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/storage"
)

// VerifyReport is what Verify has read and found, and Finding one thing in it. Both
// have JSON names.
type (
	VerifyReport = storage.VerifyReport
	Finding      = storage.Finding
)

// Verify reads everything that a data directory holds of topics and changes nothing.
// No node may be running on it: that is refused in one sentence, as is a directory
// that is none. Damage is in the report and no error.
func Verify(ctx context.Context, dir string) (VerifyReport, error) {
	return storage.VerifyDir(ctx, vfs.OS(), dir)
}
