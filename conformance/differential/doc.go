// Package differential sends the same random sequence of requests to kfake, franz-go's
// broker for tests, and to a Millrace node, through the same client at the same
// versions, and compares the answers.
//
// It has nothing but a test. What kfake is known to do otherwise than Kafka is in
// deviations.txt, with the reason: a difference that a line describes is passed over,
// any other ends the test. A sequence is drawn from a seed, which is printed and taken
// back:
//
//	go test ./differential -differential.seed=42 -differential.for=10m
package differential
