package conformance

import (
	"path/filepath"
	"testing"
)

// librdkafka as Python programs use it; kcat_test.go has an older one.
func TestLibrdkafkaScenario(t *testing.T) {
	python := need(t, "python3")
	dir := installed(t, "librdkafka", []string{"librdkafka/requirements.txt", "librdkafka/scenario.py"},
		[]string{python, "-m", "venv", "venv"},
		[]string{filepath.Join("venv", "bin", "pip"), "install", "--quiet", "-r", "requirements.txt"})
	overEach(t, func(t *testing.T, at endpoint) {
		runSteps(t, at, dir, filepath.Join("venv", "bin", "python"), "scenario.py")
	})
}
