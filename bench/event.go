package main

import (
	"strconv"
	"time"
)

// An event is a bid of about 200 bytes of JSON with nine fields, in the manner of
// the Nexmark suite. Keys of three cardinalities stand in every event, so that all
// scenarios read the same bytes:
//
//	{"category":17,"auction":4711,"bidder":815000,"price":62000,"channel":"apple",
//	 "url":"https://…","dateTime":1767225600000,"extra":"…","hot":true}

// The numbers of different keys.
const (
	categories = 100
	auctions   = 10_000
	bidders    = 1_000_000
)

// eventsPerSecond of event time.
const eventsPerSecond = 10_000

var baseTimeMs = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func eventTimeMs(i int) int64 { return baseTimeMs + int64(i)*1000/eventsPerSecond }

var channels = [...]string{"apple", "google", "facebook", "baidu", "channel-17"}

// mix spreads i over 64 bits (the finalizer of splitmix64).
func mix(i uint64) uint64 {
	i = (i ^ i>>30) * 0xBF58476D1CE4E5B9
	i = (i ^ i>>27) * 0x94D049BB133111EB
	return i ^ i>>31
}

// appendEvent appends event i. All events differ.
func appendEvent(b []byte, i int) []byte {
	r := mix(uint64(i) + 0x9E3779B97F4A7C15)
	s := mix(r)
	b = append(b, `{"category":`...)
	b = strconv.AppendUint(b, r%categories, 10)
	b = append(b, `,"auction":`...)
	b = strconv.AppendUint(b, r>>8%auctions, 10)
	b = append(b, `,"bidder":`...)
	b = strconv.AppendUint(b, r>>24%bidders, 10)
	b = append(b, `,"price":`...)
	b = strconv.AppendUint(b, s%100_000, 10)
	b = append(b, `,"channel":"`...)
	b = append(b, channels[s>>20%uint64(len(channels))]...)
	b = append(b, `","url":"https://www.example.com/item.htm?query=1&id=`...)
	b = strconv.AppendUint(b, s>>30%10_000, 10)
	b = append(b, `","dateTime":`...)
	b = strconv.AppendInt(b, eventTimeMs(i), 10)
	b = append(b, `,"extra":"`...)
	b = strconv.AppendUint(b, r, 36)
	b = strconv.AppendUint(b, s, 36)
	return append(b, `","hot":true}`...)
}
