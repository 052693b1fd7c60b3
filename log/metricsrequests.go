package log

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/internal/metrics"
)

// What clients ask and get.
var (
	requestDuration = families.New(metrics.HistogramKind, "millrace_request_duration_seconds",
		"Time from when a request was there until its answer had left, waits of Fetch and JoinGroup included.", "api")
	requestErrors = families.New(metrics.Counter, "millrace_request_errors_total",
		"Error codes in answers, by Kafka's names. One answer can have many.", "api", "error")
	requestBytes = families.New(metrics.Counter, "millrace_request_bytes_total",
		"Bytes of requests that came over connections.", "api")
	responseBytes = families.New(metrics.Counter, "millrace_response_bytes_total",
		"Bytes of answers that left over connections.", "api")
	throttledRequests = families.New(metrics.Counter, "millrace_throttled_requests_total",
		"Answers with a throttle time, because of a quota.", "api")
	throttleSeconds = families.New(metrics.Counter, "millrace_throttle_seconds_total",
		"Throttle times of all answers together.", "api")
	authenticationFailures = families.New(metrics.Counter, "millrace_authentication_failures_total",
		"SASL authentications that were refused; failed TLS handshakes are in millrace_connections_failed_total.")

	connectionsOpen = families.New(metrics.Gauge, "millrace_connections",
		"Open connections.", "listener")
	connectionsAccepted = families.New(metrics.Counter, "millrace_connections_accepted_total",
		"Connections that were served.", "listener")
	connectionsFailed = families.New(metrics.Counter, "millrace_connections_failed_total",
		"Connections that ended by a fault: bytes that are no request, limits, a peer that stopped in the middle.", "listener")
	connectionsRefused = families.New(metrics.Counter, "millrace_connections_refused_total",
		"Connections that were closed unserved: too many in all (total), too many of one address (address), too many that had not authenticated (unauthenticated), or more often than the quota of the address allows (rate).",
		"listener", "reason")
	connectionsUnauthenticated = families.New(metrics.Gauge, "millrace_connections_unauthenticated",
		"Connections that have not done yet what their listener demands: a TLS handshake or an authentication.", "listener")
	connectionsGaveWay = families.New(metrics.Counter, "millrace_connections_gave_way_total",
		"Connections that were closed before they had authenticated, to make room for others.", "listener")

	memoryUsed = families.New(metrics.Gauge, "millrace_request_memory_bytes",
		"What requests hold of a memory that they share: request (frames), decode (what they decode to, and answers), response (fetched records).", "budget")
	memoryLimit = families.New(metrics.Gauge, "millrace_request_memory_limit_bytes",
		"How large that memory is.", "budget")
	memoryWaiting = families.New(metrics.Gauge, "millrace_request_memory_waiting",
		"Requests that wait for room in that memory.", "budget")

	topicProducedBytes = families.New(metrics.Counter, "millrace_topic_produced_bytes_total",
		"Bytes of record batches that clients appended. Topics beyond 1000 are counted as one, named (other).", "topic")
	topicProducedRecords = families.New(metrics.Counter, "millrace_topic_produced_records_total",
		"Records that clients appended.", "topic")
	topicFetchedBytes = families.New(metrics.Counter, "millrace_topic_fetched_bytes_total",
		"Bytes of record batches that clients fetched.", "topic")
	topicFetchedRecords = families.New(metrics.Counter, "millrace_topic_fetched_records_total",
		"Records that clients fetched.", "topic")

	quotaEntities = families.New(metrics.Gauge, "millrace_quota_entities",
		"Users, client ids and addresses that have quotas.")
)

// otherTopics stands for the topics that are not counted by name. No topic is called
// so: parentheses are not in names.
const otherTopics = "(other)"

func collectRequests(e metrics.Emitter, s broker.Stats) {
	var failures int64
	for _, k := range s.Keys {
		api := kmsg.NameForKey(k.Key)
		labels := metrics.Label("api", api)
		e.Durations(requestDuration, k.Took, labels)
		e.Value(requestBytes, float64(k.BytesIn), labels)
		e.Value(responseBytes, float64(k.BytesOut), labels)
		e.Value(throttledRequests, float64(k.Throttled), labels)
		e.Value(throttleSeconds, k.ThrottledFor.Seconds(), labels)
		for _, err := range k.Errors {
			e.Value(requestErrors, float64(err.Count), metrics.Label("api", api, "error", err.Name))
			if err.Name == "SASL_AUTHENTICATION_FAILED" {
				failures += err.Count
			}
		}
	}
	e.Value(authenticationFailures, float64(failures), nil)
	e.Value(quotaEntities, float64(s.QuotaEntities), nil)
	for _, l := range s.Listeners {
		labels := metrics.Label("listener", l.Name)
		e.Value(connectionsOpen, float64(l.Open), labels)
		e.Value(connectionsAccepted, float64(l.Accepted), labels)
		e.Value(connectionsFailed, float64(l.Failed), labels)
		e.Value(connectionsUnauthenticated, float64(l.Strangers), labels)
		e.Value(connectionsGaveWay, float64(l.GaveWay), labels)
		for _, r := range []struct {
			reason string
			count  int64
		}{{"total", l.TooMany}, {"address", l.TooManyOfAddress}, {"unauthenticated", l.TooManyStrangers}, {"rate", l.TooOften}} {
			e.Value(connectionsRefused, float64(r.count), metrics.Label("listener", l.Name, "reason", r.reason))
		}
	}
	for _, b := range s.Budgets {
		labels := metrics.Label("budget", b.Name)
		e.Value(memoryUsed, float64(b.Used), labels)
		e.Value(memoryLimit, float64(b.Capacity), labels)
		e.Value(memoryWaiting, float64(b.Waiting), labels)
	}
	for _, t := range s.Topics {
		if t.Name == "" {
			t.Name = otherTopics
		}
		labels := metrics.Label("topic", t.Name)
		e.Value(topicProducedBytes, float64(t.BytesProduced), labels)
		e.Value(topicProducedRecords, float64(t.RecordsProduced), labels)
		e.Value(topicFetchedBytes, float64(t.BytesRead), labels)
		e.Value(topicFetchedRecords, float64(t.RecordsRead), labels)
	}
}
