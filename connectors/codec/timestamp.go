package codec

import (
	"errors"
	"math"

	"github.com/millrace/millrace/operators/columnar"
)

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 24 * 60 * 60 * microsPerSecond
)

var (
	errTimeText  = errors.New("not a time; write it as 2026-01-31T10:00:00Z")
	errTimeRange = errors.New("a time outside of the years 0 to 9999")
)

// unitShift is the power of ten from a unit to microseconds.
func unitShift(u columnar.Unit) int {
	switch u {
	case columnar.Second:
		return 6
	case columnar.Microsecond:
		return 0
	case columnar.Nanosecond:
		return -3
	}
	return 3
}

// parseTime reads RFC 3339 ("2026-01-31T10:00:00.5+01:00", a space instead of T is
// accepted) as microseconds. Digits below a microsecond are cut.
func parseTime(s []byte) (int64, error) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return 0, errTimeText
	}
	year, month, day := digits(s[0:4]), digits(s[5:7]), digits(s[8:10])
	hour, minute, second := digits(s[11:13]), digits(s[14:16]), digits(s[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || uint(hour) > 23 || uint(minute) > 59 || uint(second) > 59 {
		return 0, errTimeText
	}
	rest, micros := s[19:], int64(0)
	if rest[0] == '.' {
		i, scale := 1, int64(microsPerSecond)
		for ; i < len(rest) && rest[i]-'0' <= 9; i++ {
			scale /= 10
			micros += int64(rest[i]-'0') * scale
		}
		if i == 1 {
			return 0, errTimeText
		}
		rest = rest[i:]
	}
	offset, ok := zone(rest)
	if !ok {
		return 0, errTimeText
	}
	seconds := int64(hour*3600 + minute*60 + second - offset)
	return daysSinceEpoch(year, month, day)*microsPerDay + seconds*microsPerSecond + micros, nil
}

// zone reads Z or ±hh:mm as seconds east.
func zone(s []byte) (int, bool) {
	if len(s) == 1 && s[0]|0x20 == 'z' {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, m := digits(s[1:3]), digits(s[4:6])
	if uint(h) > 23 || uint(m) > 59 {
		return 0, false
	}
	if s[0] == '-' {
		return -(h*3600 + m*60), true
	}
	return h*3600 + m*60, true
}

// digits is the number that s writes, -1 if there is anything else in it.
func digits(s []byte) int {
	n := 0
	for _, c := range s {
		if c-'0' > 9 {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

var monthDays = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func daysIn(year, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return monthDays[month-1]
}

// daysSinceEpoch counts in years that begin in March, so that the leap day is the
// last of its year, and in eras of 400 years.
func daysSinceEpoch(year, month, day int) int64 {
	if month <= 2 {
		year--
	}
	era := floorDiv(int64(year), 400)
	ofEra := int64(year) - era*400
	ofYear := int64((153*((month+9)%12)+2)/5 + day - 1)
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}

func civil(days int64) (year, month, day int) {
	days += 719468
	era := floorDiv(days, 146097)
	d := days - era*146097
	y := (d - d/1460 + d/36524 - d/146096) / 365
	ofYear := d - (365*y + y/4 - y/100)
	m := (5*ofYear + 2) / 153
	day = int(ofYear - (153*m+2)/5 + 1)
	month = int(m + 3)
	if month > 12 {
		month -= 12
	}
	year = int(y + era*400)
	if month <= 2 {
		year++
	}
	return year, month, day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// The first and the first impossible time of appendTime.
var (
	minTime = daysSinceEpoch(0, 1, 1) * microsPerDay
	endTime = daysSinceEpoch(10000, 1, 1) * microsPerDay
)

// timeWriter appends times as RFC 3339 in UTC with as many digits of a second as
// are needed. It remembers the day that it wrote last, since most rows share it.
type timeWriter struct {
	day  int64
	text [11]byte // "2026-01-31T" of day
}

func newTimeWriter() timeWriter { return timeWriter{day: math.MinInt64} }

func (w *timeWriter) append(dst []byte, micros int64) ([]byte, error) {
	if micros < minTime || micros >= endTime {
		return dst, errTimeRange
	}
	day := floorDiv(micros, microsPerDay)
	if day != w.day {
		w.remember(day)
	}
	rest := micros - day*microsPerDay
	dst = append(dst, w.text[:]...)
	second, fraction := rest/microsPerSecond, rest%microsPerSecond
	dst = append2(dst, second/3600)
	dst = append(dst, ':')
	dst = append2(dst, second/60%60)
	dst = append(dst, ':')
	dst = append2(dst, second%60)
	if fraction != 0 {
		dst = append(dst, '.')
		for scale := int64(microsPerSecond / 10); fraction != 0; scale /= 10 {
			dst = append(dst, byte('0'+fraction/scale))
			fraction %= scale
		}
	}
	return append(dst, 'Z'), nil
}

func (w *timeWriter) remember(day int64) {
	year, month, dom := civil(day)
	t := append2(w.text[:0], int64(year/100))
	t = append2(t, int64(year%100))
	t = append(t, '-')
	t = append2(t, int64(month))
	t = append(t, '-')
	t = append2(t, int64(dom))
	_ = append(t, 'T') // in place: t is w.text
	w.day = day
}

func append2(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
