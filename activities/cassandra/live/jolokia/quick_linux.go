package jolokia

import "syscall"

// acknowledge switches delayed acknowledgements off until the kernel switches them on again. It is a matter of speed
// only, so that a kernel that refuses changes nothing.
func acknowledge(c syscall.RawConn) {
	_ = c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
