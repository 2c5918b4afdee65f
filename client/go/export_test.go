package confreg

import "time"

// SetSilence sets after how long a silent server counts as away, for tests.
func (c *Client) SetSilence(silence time.Duration) {
	c.silence = silence
}
