package conformance

import "testing"

// @platformatic/kafka is what Node programs move to from kafkajs. It is the strictest
// about new versions: a broker that stops at those of kafkajs it cannot talk to.
func TestPlatformaticScenario(t *testing.T) {
	dir := installNode(t, "platformatic", "platformatic/scenario.js")
	overEach(t, func(t *testing.T, at endpoint) { runSteps(t, at, dir, "node", "scenario.js") })
}
