// Byte strings in one column, as they cross the boundary.

package native

// Missing is the length of an item that is missing.
const Missing = ^uint32(0)

// Column has byte strings as they cross the boundary: Lengths[i] bytes of Data each.
type Column struct {
	Lengths []uint32
	Data    []byte
}

// Push appends an item. A nil item is missing, an empty one is not.
func (c *Column) Push(item []byte) {
	if item == nil {
		c.Lengths = append(c.Lengths, Missing)
		return
	}
	c.Lengths = append(c.Lengths, uint32(len(item)))
	c.Data = AppendBytes(c.Data, item)
}

// PushText appends a text.
func (c *Column) PushText(item string) {
	c.Lengths = append(c.Lengths, uint32(len(item)))
	c.Data = append(c.Data, item...)
}

// Reset removes all items and keeps the room.
func (c *Column) Reset() {
	c.Lengths, c.Data = c.Lengths[:0], c.Data[:0]
}

// Items gives all items; a missing one, or one that the data doesn't have, is nil.
func (c Column) Items() [][]byte {
	items := make([][]byte, len(c.Lengths))
	rest := c.Data
	if rest == nil {
		// An empty item is not nil, wherever it lies.
		rest = []byte{}
	}
	for i, length := range c.Lengths {
		if length == Missing {
			continue
		}
		if int(length) > len(rest) {
			break
		}
		items[i] = rest[:length:length]
		rest = rest[length:]
	}
	return items
}
