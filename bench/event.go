package main

import (
	"strconv"
	"time"
)

// An event is a bid of about 200 bytes of JSON with eight fields, as the Nexmark
// suite has them: four of them are read by the scenarios.

// baseTime is the event time of the first event, microseconds.
var baseTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// eventStep is the event time between two events.
const eventStep = 100 // microseconds: 10 000 events per second of event time

func eventTimeMs(i int) int64 { return (baseTime + int64(i)*eventStep) / 1000 }

var channels = [...]string{"apple", "google", "facebook", "baidu", "channel-17", "channel-4711"}

// mix spreads i over 64 bits (the finalizer of splitmix64).
func mix(i uint64) uint64 {
	i = (i ^ i>>30) * 0xBF58476D1CE4E5B9
	i = (i ^ i>>27) * 0x94D049BB133111EB
	return i ^ i>>31
}

// appendEvent appends event i; its auction is one of keys.
func appendEvent(b []byte, i, keys int) []byte {
	r := mix(uint64(i) + 0x9E3779B97F4A7C15)
	b = append(b, `{"auction":`...)
	b = strconv.AppendUint(b, r%uint64(keys), 10)
	b = append(b, `,"bidder":`...)
	b = strconv.AppendUint(b, 1000+r>>20%50_000, 10)
	b = append(b, `,"price":`...)
	b = strconv.AppendUint(b, r>>8%100_000, 10)
	b = append(b, `,"channel":"`...)
	b = append(b, channels[r>>40%uint64(len(channels))]...)
	b = append(b, `","url":"https://www.example.com/item.htm?query=1&channel_id=`...)
	b = strconv.AppendUint(b, r>>30%10_000, 10)
	b = append(b, `","dateTime":`...)
	b = strconv.AppendInt(b, eventTimeMs(i), 10)
	b = append(b, `,"extra":"`...)
	b = strconv.AppendUint(b, mix(r), 36)
	b = strconv.AppendUint(b, mix(r+1), 36)
	return append(b, `","hot":true}`...)
}
