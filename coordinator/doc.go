// Package coordinator is the deciding side of a node: one loop that owns a [view.Machine], feeds it
// with what happens and carries out what it decides, over the ports that it declares.
//
// Every node runs one. On one node at a time it also holds the role after which the package is named;
// which node that is, is itself decided by the machines.
package coordinator
