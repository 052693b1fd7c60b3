package generate

import (
	"testing"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/connectortest"
)

func TestConformance(t *testing.T) {
	for _, splits := range []int64{1, 3} {
		connectortest.TestSource(t, connectortest.Source{
			Rows: 10_001,
			New:  func(*testing.T) connectors.Source { return testSource(10_001, splits) },
		})
	}
}
