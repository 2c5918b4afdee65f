package confreg

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

const sample = `{"db_host": "db-1", "port": "5432", "ratio": 0.5, "pool": 3.9, "debug": "Yes", "off": "off",
	"null": null, "yes": true, "word": "abc", "list": [1, {"a/b": "deep"}], "big": 9223372036854775807,
	"vast": 1e30, "zero": 0, "empty": {}, "wait": "1m30s", "": {"x~": 1}, "/slash": 2}`

func TestValuesAndTheirConversion(t *testing.T) {
	v, err := ParseValues([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ got, want any }
	for name, r := range map[string]row{
		"a text":                  {v.String("db_host", "x"), "db-1"},
		"a number as a text":      {v.String("pool", "x"), "3.9"},
		"a bool as a text":        {v.String("yes", "x"), "true"},
		"null is no text":         {v.String("null", "x"), "x"},
		"a list is no text":       {v.String("list", "x"), "x"},
		"no text":                 {v.String("none", "x"), "x"},
		"yes":                     {v.Bool("debug", false), true},
		"off":                     {v.Bool("off", true), false},
		"another word":            {v.Bool("word", true), false},
		"null is false":           {v.Bool("null", true), false},
		"0 is false":              {v.Bool("zero", true), false},
		"a number is true":        {v.Bool("ratio", false), true},
		"an empty object":         {v.Bool("empty", true), false},
		"a list is true":          {v.Bool("list", false), true},
		"no bool":                 {v.Bool("none", true), true},
		"a text that is a number": {v.Int("port", 7), int64(5432)},
		"without its fraction":    {v.Int("pool", 7), int64(3)},
		"true is 1":               {v.Int("yes", 7), int64(1)},
		"a word is no number":     {v.Int("word", 7), int64(7)},
		"null is no number":       {v.Int("null", 7), int64(7)},
		"a list is no number":     {v.Int("list", 7), int64(7)},
		"a fraction":              {v.Int("ratio", 7), int64(0)},
		"a large number":          {v.Int("big", 7), int64(9223372036854775807)},
		"beyond 64 bits":          {v.Int("vast", 7), int64(7)},
		"a float":                 {v.Float("ratio", 2), 0.5},
		"a text to a float":       {v.Float("port", 2), 5432.0},
		"a word to a float":       {v.Float("word", 2.5), 2.5},
		"null to a float":         {v.Float("null", 2.5), 2.5},
		"true to a float":         {v.Float("yes", 2.5), 1.0},
		"a duration":              {v.Duration("wait", 0), 90 * time.Second},
		"seconds":                 {v.Duration("ratio", 0), 500 * time.Millisecond},
		"beyond 292 years":        {v.Duration("vast", 9), time.Duration(9)},
		"a word to a duration":    {v.Duration("word", 9), time.Duration(9)},
		"a pointer":               {v.String("/list/1/a~1b", "x"), "deep"},
		"an item of a list":       {v.Int("/list/0", 7), int64(1)},
		"beyond a list":           {v.Int("/list/2", 7), int64(7)},
		"no index":                {v.Int("/list/00", 7), int64(7)},
		"into a text":             {v.Int("/db_host/x", 7), int64(7)},
		"the empty key":           {v.Int("//x~0", 7), int64(1)},
		"a key with a slash":      {v.Int("/~1slash", 7), int64(2)},
	} {
		if !reflect.DeepEqual(r.got, r.want) {
			t.Errorf("%s: %v, not %v", name, r.got, r.want)
		}
	}
}

func TestValuesAreDecoded(t *testing.T) {
	v, _ := ParseValues([]byte(sample))
	var whole struct {
		Host string `json:"db_host"`
		Big  uint64
	}
	var inner map[string]string
	if err := errors.Join(v.Decode("", &whole), v.Decode("/list/1", &inner)); err != nil {
		t.Fatal(err)
	}
	if whole.Host != "db-1" || whole.Big != 9223372036854775807 || inner["a/b"] != "deep" {
		t.Error(whole, inner)
	}
	if err := v.Decode("none", &whole); !errors.Is(err, ErrNoValue) {
		t.Error(err)
	}
	if err := (&Values{}).Decode("", &whole); !errors.Is(err, ErrNoValue) {
		t.Error(err)
	}
}

func TestVariablesOfTheEnvironmentAreUnderTheConfig(t *testing.T) {
	t.Setenv("BILLING_DB_HOST", "of-the-environment")
	t.Setenv("BILLING_SIZE", "8")
	v, _ := ParseValues([]byte(sample))
	v.envPrefix = "BILLING_"
	if v.String("db_host", "") != "db-1" || v.Int("size", 0) != 8 || v.Int("other", 9) != 9 {
		t.Error("the config goes before the variable, the variable before the default")
	}
}

func TestWhatIsNoObjectIsRefused(t *testing.T) {
	for _, text := range []string{"", "null", "[]", `"x"`, `{"a":1`, `{} {}`, `{}]`} {
		if _, err := ParseValues([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func BenchmarkInt(b *testing.B) {
	v, _ := ParseValues([]byte(sample))
	for b.Loop() {
		if v.Int("zero", 1) != 0 {
			b.Fatal()
		}
	}
}
