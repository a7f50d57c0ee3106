package view

// Unsafe switches safety rules off, one by one. It is for tests only: they show that the simulator
// finds out. With any of them on, promises are broken.
type Unsafe struct {
	NoCompare bool // the streams store whatever comes: no compare-and-set
}
