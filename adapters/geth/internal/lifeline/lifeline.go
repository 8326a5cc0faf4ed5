// Package lifeline ends the process with its supervisor.
package lifeline

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Watch calls end, once, with the reason, when input reaches its end or SIGTERM or SIGINT arrives. The supervisor holds
// the other end of input open and never writes, so its end means that the supervisor is gone, however it ended. Without
// a supervisor input is nil.
func Watch(input io.Reader, end func(reason string)) {
	reasons := make(chan string, 2)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if input != nil {
		go func() {
			_, _ = io.Copy(io.Discard, input)
			reasons <- "standard input ended"
		}()
	}
	go func() { reasons <- (<-signals).String() }()
	go func() { end(<-reasons) }()
}
