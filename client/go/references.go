package confreg

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxReferredFile = 1 << 20

var reference = regexp.MustCompile(`\$\{(env|file):([^}]+)\}`)

// replaceReferences puts into the texts what their references stand for. A key in whose value one leads
// nowhere is left out; the log says so. The JSON text stays as it is.
func (v *Values) replaceReferences(log *slog.Logger) {
	for _, key := range slices.Sorted(maps.Keys(v.data)) {
		value, err := referred(v.data[key])
		if err != nil {
			log.Warn("confreg: a key is left out, as a reference leads nowhere", "key", key, "error", err)
			delete(v.data, key)
			continue
		}
		v.data[key] = value
	}
	v.referred = true
}

// referred returns the value with what its references stand for; it changes lists and objects.
func referred(value any) (any, error) {
	switch value := value.(type) {
	case string:
		return referredText(value)
	case []any:
		for i, item := range value {
			inner, err := referred(item)
			if err != nil {
				return nil, err
			}
			value[i] = inner
		}
	case map[string]any:
		for key, member := range value {
			inner, err := referred(member)
			if err != nil {
				return nil, err
			}
			value[key] = inner
		}
	}
	return value, nil
}

func referredText(text string) (string, error) {
	var failures []error
	text = reference.ReplaceAllStringFunc(text, func(found string) string {
		parts := reference.FindStringSubmatch(found)
		content, err := contentOf(parts[1], parts[2])
		if err != nil {
			failures = append(failures, err)
		}
		return content
	})
	return text, errors.Join(failures...)
}

func contentOf(kind, name string) (string, error) {
	if kind == "file" {
		return referredFile(name)
	}
	content, ok := os.LookupEnv(name)
	if !ok {
		return "", fmt.Errorf("the variable %s is not set", name)
	}
	return content, nil
}

func referredFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return "", fmt.Errorf("%s is no regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxReferredFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxReferredFile || !utf8.Valid(content) {
		return "", fmt.Errorf("%s is larger than 1 MiB, or not UTF-8", path)
	}
	return strings.TrimRightFunc(string(content), unicode.IsSpace), nil
}
