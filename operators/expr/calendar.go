package expr

const (
	usPerSecond = int64(1e6)
	usPerDay    = 86400 * usPerSecond
)

// floorDiv rounds towards minus infinity; d is positive.
func floorDiv(a, d int64) int64 {
	q := a / d
	if a%d < 0 {
		q--
	}
	return q
}

// floorMod is a - floorDiv(a, d)*d, in [0, d).
func floorMod(a, d int64) int64 {
	if r := a % d; r < 0 {
		return r + d
	} else {
		return r
	}
}

// civil is the date in the proleptic Gregorian calendar of a day counted from
// 1970-01-01. It counts in eras of 400 years (146097 days) that begin in March, so
// that the leap day is the last of its year; the algorithm is Howard Hinnant's
// "civil_from_days".
func civil(day int64) (year, month, dayOfMonth int64) {
	const eraDays = 146097
	day += 719468 // days from 0000-03-01 to 1970-01-01
	era := floorDiv(day, eraDays)
	doe := day - era*eraDays
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	dayOfMonth = doy - (153*mp+2)/5 + 1
	year = yoe + era*400
	if month = mp + 3; month > 12 {
		month -= 12
		year++
	}
	return year, month, dayOfMonth
}

func yearOf(t int64) (int64, error) {
	y, _, _ := civil(floorDiv(t, usPerDay))
	return y, nil
}

func monthOf(t int64) (int64, error) {
	_, m, _ := civil(floorDiv(t, usPerDay))
	return m, nil
}

func dayOf(t int64) (int64, error) {
	_, _, d := civil(floorDiv(t, usPerDay))
	return d, nil
}

func hourOf(t int64) (int64, error)   { return floorMod(t, usPerDay) / (3600 * usPerSecond), nil }
func minuteOf(t int64) (int64, error) { return floorMod(t, 3600*usPerSecond) / (60 * usPerSecond), nil }
func secondOf(t int64) (int64, error) { return floorMod(t, 60*usPerSecond) / usPerSecond, nil }

// weekdayOf counts from Sunday, 0. 1970-01-01 was a Thursday.
func weekdayOf(t int64) (int64, error) { return floorMod(floorDiv(t, usPerDay)+4, 7), nil }

// truncateTo is the start of the interval of length d, counted from the epoch,
// that holds t. At the very beginning of time, where that start is not
// representable, it is t.
func truncateTo(t, d int64) int64 {
	if r := t - floorMod(t, d); r <= t {
		return r
	}
	return t
}
