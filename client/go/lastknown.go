package confreg

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// lastKnown is the file with the last values of a config: for its owner only, replaced at once. Its first
// line is the SHA-256 of the second, which is a kept as JSON.
type lastKnown struct {
	path    string
	name    Name
	resolve bool
}

type kept struct {
	Environment string          `json:"environment"`
	Service     string          `json:"service_name"`
	Resolve     bool            `json:"resolve"`
	Version     uint64          `json:"version"`
	Epoch       string          `json:"epoch"`
	Revision    uint64          `json:"revision"`
	Data        json.RawMessage `json:"config_data"`
}

// read returns nil without an error where there is no file.
func (l *lastKnown) read() (*Values, error) {
	text, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sum, line, _ := bytes.Cut(text, []byte("\n"))
	if string(sum) != checksum(line) {
		return nil, fmt.Errorf("%s is damaged", l.path)
	}
	var k kept
	if err := json.Unmarshal(line, &k); err != nil {
		return nil, fmt.Errorf("%s: %w", l.path, err)
	}
	if (Name{k.Environment, k.Service}) != l.name || k.Resolve != l.resolve {
		return nil, fmt.Errorf("%s is of another config", l.path)
	}
	values, err := ParseValues(k.Data)
	if err != nil {
		return nil, err
	}
	values.version, values.position = k.Version, Position{Epoch: k.Epoch, Revision: k.Revision}
	return values, nil
}

func checksum(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// write keeps the values. The file has the old ones or the new ones at any time, also after a loss of
// power.
func (l *lastKnown) write(values *Values) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // the payload stays as it is
	if err := encoder.Encode(kept{l.name.Environment, l.name.Service, l.resolve, values.version,
		values.position.Epoch, values.position.Revision, values.raw}); err != nil {
		return err
	}
	line := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	folder := filepath.Dir(l.path)
	file, err := os.CreateTemp(folder, filepath.Base(l.path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	if err := fill(file, checksum(line)+"\n"+string(line)); err != nil {
		_ = os.Remove(file.Name())
		return err
	}
	if err := os.Rename(file.Name(), l.path); err != nil {
		_ = os.Remove(file.Name())
		return err
	}
	return syncFolder(folder)
}

// fill writes the file to the disk and closes it.
func fill(file *os.File, text string) error {
	_, err := file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
