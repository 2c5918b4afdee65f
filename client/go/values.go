package confreg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Getter reads settings. [Provider] and [Values] are one: take a Getter where tests give fixed values,
// of [ParseValues].
//
// A key is that of a member, or, beginning with a slash, an RFC 6901 pointer such as "/db/hosts/0". The
// getters never fail: where there is no value, or none that can be converted, they return the default.
type Getter interface {
	// String returns a text; a number or a bool as its JSON text.
	String(key, byDefault string) string
	// Bool returns a bool. Of texts, "true", "1", "yes" and "on" in any case are true, all others false;
	// null and what is empty or 0 are false.
	Bool(key string, byDefault bool) bool
	// Int returns a number without its fraction, or a text that is a whole number.
	Int(key string, byDefault int64) int64
	// Float returns a number, or a text that is one.
	Float(key string, byDefault float64) float64
	// Duration returns a text such as "1m30s", or a number of seconds.
	Duration(key string, byDefault time.Duration) time.Duration
	// Lookup returns the value as encoding/json has it, with numbers as json.Number. It is shared and not
	// to be changed.
	Lookup(key string) (value any, ok bool)
	// Decode parses the value into v, as json.Unmarshal does. The key "" is the whole config.
	Decode(key string, v any) error
}

// Values are the settings of one version of a config: immutable, so that several keys that belong
// together can be read of one version. The zero value has none.
type Values struct {
	data      map[string]any
	raw       []byte
	version   uint64
	position  Position
	envPrefix string
	referred  bool // data has what references of raw stand for
}

var (
	_ Getter = (*Values)(nil)
	_ Getter = (*Provider)(nil)
)

// ErrNoValue is returned by Decode where there is no value.
var ErrNoValue = errors.New("confreg: there is no such value")

// ParseValues returns the values of a JSON object.
func ParseValues(data []byte) (*Values, error) {
	values := &Values{raw: data}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&values.data); err != nil {
		return nil, fmt.Errorf("confreg: the values are no JSON object: %w", err)
	}
	if _, err := decoder.Token(); values.data == nil || !errors.Is(err, io.EOF) {
		return nil, errors.New("confreg: the values are not one JSON object")
	}
	return values, nil
}

// Version is that of the config; 0: there is none, or it is not known.
func (v *Values) Version() uint64 {
	return v.version
}

// Position of the registry's log that the values are as of.
func (v *Values) Position() Position {
	return v.position
}

// Data is the config's JSON text; nil: there is none. It is shared and not to be changed.
func (v *Values) Data() []byte {
	return v.raw
}

// Lookup is of [Getter].
func (v *Values) Lookup(key string) (any, bool) {
	if strings.HasPrefix(key, "/") {
		return v.at(key)
	}
	if value, ok := v.data[key]; ok {
		return value, true
	}
	if v.envPrefix != "" {
		if text, ok := os.LookupEnv(v.envPrefix + strings.ToUpper(key)); ok {
			return text, true
		}
	}
	return nil, false
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// at returns the value at a pointer.
func (v *Values) at(pointer string) (any, bool) {
	var value any = v.data
	for step := range strings.SplitSeq(pointer[1:], "/") {
		switch inner := value.(type) {
		case map[string]any:
			member, ok := inner[unescape.Replace(step)]
			if !ok {
				return nil, false
			}
			value = member
		case []any:
			i, err := strconv.ParseUint(step, 10, 32)
			if err != nil || i >= uint64(len(inner)) || len(step) > 1 && step[0] == '0' {
				return nil, false
			}
			value = inner[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// String is of [Getter].
func (v *Values) String(key, byDefault string) string {
	value, _ := v.Lookup(key)
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	}
	return byDefault
}

// Bool is of [Getter].
func (v *Values) Bool(key string, byDefault bool) bool {
	value, ok := v.Lookup(key)
	if !ok {
		return byDefault
	}
	switch value := value.(type) {
	case bool:
		return value
	case string:
		return isTrue(value)
	case json.Number:
		number, err := value.Float64()
		return err != nil || number != 0
	case map[string]any:
		return len(value) > 0
	case []any:
		return len(value) > 0
	}
	return false
}

func isTrue(text string) bool {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true
	}
	return false
}

// Int is of [Getter].
func (v *Values) Int(key string, byDefault int64) int64 {
	value, _ := v.Lookup(key)
	switch value := value.(type) {
	case json.Number:
		if number, err := value.Int64(); err == nil {
			return number
		}
		// A float64 holds the bounds of int64 as powers of two.
		if number, err := value.Float64(); err == nil && number >= -1<<63 && number < 1<<63 {
			return int64(number)
		}
	case string:
		if number, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil {
			return number
		}
	case bool:
		if value {
			return 1
		}
		return 0
	}
	return byDefault
}

// Float is of [Getter].
func (v *Values) Float(key string, byDefault float64) float64 {
	value, _ := v.Lookup(key)
	switch value := value.(type) {
	case json.Number:
		if number, err := value.Float64(); err == nil {
			return number
		}
	case string:
		if number, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			return number
		}
	case bool:
		if value {
			return 1
		}
		return 0
	}
	return byDefault
}

// Duration is of [Getter].
func (v *Values) Duration(key string, byDefault time.Duration) time.Duration {
	value, _ := v.Lookup(key)
	switch value := value.(type) {
	case json.Number:
		seconds, err := value.Float64()
		if nanoseconds := seconds * float64(time.Second); err == nil &&
			nanoseconds >= -1<<63 && nanoseconds < 1<<63 {
			return time.Duration(nanoseconds)
		}
	case string:
		if duration, err := time.ParseDuration(strings.TrimSpace(value)); err == nil {
			return duration
		}
	}
	return byDefault
}

// Decode is of [Getter]. ErrNoValue: there is none.
func (v *Values) Decode(key string, into any) error {
	if key == "" {
		if v.raw == nil {
			return ErrNoValue
		}
		if !v.referred {
			return json.Unmarshal(v.raw, into)
		}
		return convert(v.data, into)
	}
	value, ok := v.Lookup(key)
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoValue, key)
	}
	return convert(value, into)
}

func convert(value, into any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
