package codec

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/operators/spec"
)

func TestJSONNeedsASchema(t *testing.T) {
	f, _ := Lookup("json")
	if _, err := f.Schema(nil, spec.Config{}); err == nil || !strings.Contains(err.Error(), "needs a schema") {
		t.Fatalf("got %v", err)
	}
}
