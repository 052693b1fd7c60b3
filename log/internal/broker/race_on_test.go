//go:build race

package broker

// raceDetector makes the decoder allocate its arrays twice, so that its allocations
// say nothing.
const raceDetector = true
